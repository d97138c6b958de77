"""The key that signs the cookies of the application."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path


def secret_key(folder: Path) -> str:
    """Return the key in *folder*: the same one after a restart, and for each worker."""
    path = folder / "secret_key"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        handle, name = tempfile.mkstemp(dir=folder)  # for its owner alone
        with open(handle, "w", encoding="ascii") as new:
            new.write(secrets.token_hex(32))
        # There at once and as a whole, as another worker may be about to do the same.
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
        os.unlink(name)
    return path.read_text(encoding="ascii")
