"""The thread that hands the model's speech to a player."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from .._worker_pool import WorkerPool
from ..audio import G711_RATE, SAMPLE_RATE, Resampler
from ..playback import Playback
from .feed import AudioFeed
from .output_settings import OutputSettings
from .player import Loudspeaker, check_player


__all__ = ["Voice"]

logger = logging.getLogger("realtime_sync.playback")


class Voice:
    """
    A player that is given the model's speech by a thread of its own. Thread-safe.

    What an interruption takes away is not written any more: a chunk that the thread
    has in its hand at that moment would be heard, and counted as the next response.

    Args:
        player: Who plays it.
        report: Is called with what the player raises; then nothing more is played.
    """

    def __init__(
        self, player: Loudspeaker, report: Callable[[Exception], object]
    ) -> None:
        check_player(player, "write", "flush")
        self._player = player
        self._report = report
        # Held from the last look at whether a chunk is wanted until it is written.
        self._writing = threading.Lock()
        self._resampler = Resampler(G711_RATE, SAMPLE_RATE)

    @property
    def played_ms(self) -> int:
        """Milliseconds that were heard of all that was written."""
        return self._player.played_ms

    def flush(self) -> int:
        """Fall silent at once; return *played_ms*."""
        with self._writing:
            return self._player.flush()

    def start(self, playback: Playback) -> None:
        """Hand to the player what arrives, in whatever format, until the end of it."""
        feed, settings = playback.audio(), playback.settings
        pool = WorkerPool("realtime_sync-player", 1)

        def run() -> None:
            try:
                for chunk in feed:
                    self._write(chunk, feed, settings)
            except Exception as exc:
                logger.warning("the speech is not played any more: %s", exc)
                self._report(exc)
            finally:
                feed.close()
                pool.close(0)

        pool.submit(run)

    def _write(self, chunk: bytes, feed: AudioFeed, settings: OutputSettings) -> None:
        if settings.decode is not None:
            chunk = self._resampler.feed(settings.decode(chunk))
        with self._writing:
            if not feed.taken_back:
                self._player.write(chunk)
