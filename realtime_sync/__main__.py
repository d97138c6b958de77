"""``python -m realtime_sync``, the same as the command ``realtime-sync``."""

from .cli import main


if __name__ == "__main__":
    raise SystemExit(main())
