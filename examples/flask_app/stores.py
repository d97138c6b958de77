"""Where the application keeps its conversations."""

from pathlib import Path
from typing import Any

from realtime_sync.flask import FileStore, SnapshotStore


class RedisStore:
    """Conversations in Redis, which workers on many machines share."""

    def __init__(self, url: str) -> None:
        import redis  # pip install redis

        # A store that does not answer must not hold up the conversation for long.
        self._redis = redis.Redis.from_url(
            url, socket_timeout=2.0, socket_connect_timeout=2.0
        )

    def get(self, key: str) -> bytes | None:
        return self._redis.get(key)

    def put(self, key: str, value: bytes, expires: float) -> None:
        self._redis.set(key, value, ex=max(1, round(expires)))

    def delete(self, key: str) -> None:
        self._redis.delete(key)


def make_store(config: Any, data: Path) -> SnapshotStore:
    """Return Redis where FLASK_REDIS_URL names one, and files otherwise."""
    if config.get("REDIS_URL"):
        return RedisStore(config["REDIS_URL"])
    return FileStore(data / "conversations")
