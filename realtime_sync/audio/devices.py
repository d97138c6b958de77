"""
A microphone and a loudspeaker, with the extra ``devices`` (sounddevice on PortAudio).

Both are plain blocking objects. PortAudio calls back on a thread of its own, which here
only moves bytes.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from .._checks import check_count, check_timeout
from .._waiting import Condition
from .pcm import SAMPLE_RATE
from .resampling import Resampler


__all__ = ["Microphone", "Speaker"]

Device = int | str | None

# Seconds of the device's own buffer. PortAudio's callback has to wait for other Python
# threads, for longer than the lowest latencies allow; and `flush` empties the buffer.
_LATENCY = 0.1


def _sounddevice() -> Any:
    """
    Return the module `sounddevice`.

    Raises:
        ImportError: It, or the PortAudio that it needs, is not installed.
    """
    try:
        return import_module("sounddevice")
    except ImportError as exc:
        raise ImportError(
            "microphone and speaker need sounddevice: "
            "pip install 'realtime_sync[devices]'"
        ) from exc
    except OSError as exc:
        # Wheels for Windows and macOS have PortAudio in them, those for Linux do not.
        raise ImportError(
            f"sounddevice does not find PortAudio ({exc}): install it from the "
            "system's packages, such as apt-get install libportaudio2"
        ) from exc


def _open(
    kind: str, device: Device, block_ms: int, **callbacks: Any
) -> tuple[Any, int]:
    """
    Open and return a stream that is not running, with its rate in Hz.

    Raises:
        OSError: There is no such device, or it cannot be opened.
    """
    sounddevice = _sounddevice()
    stream = {
        "input": sounddevice.RawInputStream,
        "output": sounddevice.RawOutputStream,
    }[kind]
    try:
        rate = _usable_rate(sounddevice, kind, device)
        opened = stream(
            samplerate=rate,
            blocksize=rate * block_ms // 1000,
            device=device,
            channels=1,
            dtype="int16",
            latency=_LATENCY,
            **callbacks,
        )
    except (sounddevice.PortAudioError, ValueError) as exc:
        which = "the default device" if device is None else f"device {device!r}"
        raise OSError(
            f"{which} for {kind} cannot be opened ({exc}); "
            "python -m sounddevice lists the devices"
        ) from exc
    return opened, rate


def _usable_rate(sounddevice: Any, kind: str, device: Device) -> int:
    """Return the protocol's sampling rate, or the device's where it refuses that."""
    check = getattr(sounddevice, f"check_{kind}_settings")
    try:
        check(device=device, channels=1, dtype="int16", samplerate=SAMPLE_RATE)
    except sounddevice.PortAudioError:
        return int(sounddevice.query_devices(device, kind)["default_samplerate"])
    return SAMPLE_RATE


class Microphone:
    """
    What a microphone hears, as chunks of audio to iterate over.

    ::

        with Microphone() as microphone:
            for chunk in microphone:
                connection.append_input_audio(chunk)

    It records between entering and leaving the `with` block. Whoever is slower than
    the audio for longer than *buffer_ms* loses some: see `dropped_ms`.

    Thread-safe: `close` from another thread ends the iteration.

    Args:
        chunk_ms: The length of a chunk in milliseconds.
        device: The number or the name of a device, or None for the default one.
        buffer_ms: How much may wait to be iterated over.

    Raises:
        ImportError: sounddevice or PortAudio is missing; the message says which.
        OSError: The device cannot be opened.

    Attributes:
        sample_rate: The sampling rate of the chunks in Hz, whatever the device's is.
    """

    sample_rate = SAMPLE_RATE

    def __init__(
        self, *, chunk_ms: int = 20, device: Device = None, buffer_ms: int = 10_000
    ) -> None:
        check_count("chunk_ms", chunk_ms, 1)
        check_count("buffer_ms", buffer_ms, 1)
        self._chunks: queue.Queue[bytes | None] = queue.Queue()
        self._limit = max(1, buffer_ms // chunk_ms)
        self._chunk_ms = chunk_ms
        self._dropped = 0
        self._closed = False
        self._stream, rate = _open(
            "input",
            device,
            chunk_ms,
            callback=self._take,
            # A device that is unplugged ends the iteration too.
            finished_callback=self._end,
        )
        self._resampler = Resampler(rate, SAMPLE_RATE)

    @property
    def dropped_ms(self) -> int:
        """Milliseconds that were lost, because nobody took them in time."""
        return self._dropped * self._chunk_ms

    def __enter__(self) -> Microphone:
        if self._closed:
            raise RuntimeError("this Microphone is closed: make another")
        self._stream.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        """Yield 16-bit mono PCM at 24 kHz, blocking, until the microphone is closed."""
        while (chunk := self._chunks.get()) is not None:
            yield self._resampler.feed(chunk)
        # For whoever else iterates.
        self._chunks.put(None)

    def close(self) -> None:
        """Stop recording and end the iteration; idempotent."""
        if not self._closed:
            self._closed = True
            self._stream.close()
            self._end()

    def _end(self) -> None:
        self._chunks.put(None)

    def _take(self, data: Any, frames: int, time: Any, status: Any) -> None:
        """Keep what was recorded; runs on PortAudio's thread."""
        if self._chunks.qsize() >= self._limit:
            self._dropped += 1
        else:
            self._chunks.put(bytes(data))


class Speaker:
    """
    A loudspeaker that plays what is written, and knows how much of it was heard.

    ::

        with Speaker() as speaker:
            for chunk in response.audio():
                speaker.write(chunk)
            speaker.drain()

    Positions are on one line of milliseconds: what is written now begins at
    `written_ms`, and has been heard when `played_ms` has got there. `flush` takes
    `written_ms` back to what was heard.

    A response comes faster than it is heard, so `write` does not block; what waits to
    be played takes 48 kB of memory for each second.

    Thread-safe.

    Args:
        device: The number or the name of a device, or None for the default one.

    Raises:
        ImportError: sounddevice or PortAudio is missing; the message says which.
        OSError: The device cannot be opened.
    """

    def __init__(self, *, device: Device = None) -> None:
        # Held while the device starts or stops, which may wait for its callback; and
        # the callback needs the lock of the condition.
        self._device_lock = threading.Lock()
        self._changed = Condition()
        self._waiting: deque[memoryview] = deque()
        self._waiting_bytes = 0
        self._given = 0  # bytes that the device has had
        self._least = 0  # bytes of them that were heard when it was last looked at
        self._heard_at = 0.0  # when, on the stream's clock, the last of them is heard
        self._running = False
        self._closed = False
        self._stream, self._rate = _open("output", device, 10, callback=self._give)
        self._resampler = Resampler(SAMPLE_RATE, self._rate)

    def __enter__(self) -> Speaker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def written_ms(self) -> int:
        """The position at which what is written next begins."""
        with self._changed.lock:
            return self._ms(self._given + self._waiting_bytes)

    @property
    def played_ms(self) -> int:
        """The position that was heard last, less than the true one rather than more."""
        with self._changed.lock:
            return self._ms(self._heard())

    def write(self, pcm: bytes) -> None:
        """
        Play *pcm* after what is there; does not block.

        Args:
            pcm: 16-bit mono PCM at 24 kHz, of any length.

        Raises:
            RuntimeError: The speaker was closed.
        """
        with self._device_lock:
            with self._changed.lock:
                self._check_open()
                converted = self._resampler.feed(pcm)
                self._waiting.append(memoryview(converted))
                self._waiting_bytes += len(converted)
                running, self._running = self._running, True
            if not running:
                self._stream.start()

    def flush(self) -> int:
        """
        Fall silent at once, and forget what has not been heard.

        Returns:
            The position that was heard last, as `played_ms`.

        Raises:
            RuntimeError: The speaker was closed.
        """
        with self._device_lock:
            with self._changed.lock:
                self._check_open()
                running = self._running
                self._silence()
            if running:
                self._stream.abort()
        return self.played_ms

    def drain(self, timeout: float | None = None) -> None:
        """
        Wait until everything was heard.

        Args:
            timeout: Seconds to wait at most.

        Raises:
            RuntimeError: The speaker was closed.
            TimeoutError: It was not heard in time.
        """
        check_timeout(timeout)
        with self._changed.lock:
            self._check_open()
        if not self._changed.wait_for(self._is_drained, timeout):
            raise TimeoutError(f"there is more to play than {timeout:g} s of audio")
        with self._changed.lock:
            self._check_open()

    def close(self) -> None:
        """Fall silent and give the device back; idempotent."""
        with self._device_lock:
            with self._changed.lock:
                if self._closed:
                    return
                self._silence()
                self._closed = True
            self._stream.abort()
            self._stream.close()

    # Private methods, which need the lock

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("this Speaker is closed: make another")

    def _ms(self, size: int) -> int:
        return size // 2 * 1000 // self._rate

    def _heard(self) -> int:
        """Return the bytes that were heard: those given, but for those on their way."""
        if self._running:
            on_their_way = max(0.0, self._heard_at - self._stream.time) * self._rate
            # Between some of these there may have been silence: what was heard before
            # stays heard.
            self._least = max(self._least, self._given - 2 * int(on_their_way))
        return self._least

    def _silence(self) -> None:
        """Forget what has not been heard, and take the device for stopped."""
        self._given = self._heard()
        self._running = False
        self._waiting.clear()
        self._waiting_bytes = 0
        self._resampler.flush()
        self._changed.notify_all()

    def _is_drained(self) -> bool:
        return self._closed or (not self._waiting and self._heard() == self._given)

    # PortAudio's thread

    def _give(self, out: Any, frames: int, time: Any, status: Any) -> None:
        """Fill *out* with what waits, and with silence after it."""
        with self._changed.lock:
            size = self._fill(out)
            if size:
                self._heard()
                self._given += size
                self._heard_at = time.outputBufferDacTime + size / 2 / self._rate
            self._changed.notify_all()

    def _fill(self, out: Any) -> int:
        """Move bytes to *out*; return how many are no silence."""
        position = 0
        while self._waiting and position < len(out):
            chunk = self._waiting.popleft()
            part = chunk[: len(out) - position]
            out[position : position + len(part)] = part
            position += len(part)
            if len(part) < len(chunk):
                self._waiting.appendleft(chunk[len(part) :])
        out[position:] = bytes(len(out) - position)
        self._waiting_bytes -= position
        return position
