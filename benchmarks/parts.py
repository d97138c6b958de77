"""
Where the time goes, part by part: ``python -m benchmarks.parts``.

The microseconds of this thread's CPU for one message of 100 ms and of 25 ms that is
received, and for one piece of 20 ms that is sent. Each is the best of several rounds,
and all rows alternate. `benchmarks.decode` looks closer at the codec.
"""

from __future__ import annotations

import socket
import ssl
import sys
import tempfile
import threading
import timeit
from collections.abc import Callable
from pathlib import Path
from time import process_time, thread_time

import orjson
import pybase64

from realtime_sync._channel.absorber import Absorber
from realtime_sync._channel.dispatcher import Dispatcher
from realtime_sync._channel.lanes import Lane
from realtime_sync._channel.monitor import Monitor
from realtime_sync._channel.send_queue import SendQueue
from realtime_sync._connection.input_audio import AudioSplitter
from realtime_sync._responses.router import ResponseRouter
from realtime_sync._wire.frames import TEXT, FrameReader, FrameWriter, find_mask, mask
from realtime_sync.conversation import Conversation
from realtime_sync.protocol.codec import decode_server_event, encode_append
from realtime_sync.protocol.server_events import ResponseOutputAudioDelta

from .server import audio_delta


ROUNDS = 40
CALLS = 500
Part = tuple[str, Callable[[], object]]

UP = bytes(960)
APPEND = encode_append(UP)


def _receiving(frame: bytes) -> list[Part]:
    message = frame[4:]  # without the head of the frame
    payload = orjson.loads(message)
    event = decode_server_event(message)
    assert isinstance(event, ResponseOutputAudioDelta)
    values = {name: payload[name] for name in payload if name not in ("type", "delta")}
    monitor, dispatcher = Monitor(), Dispatcher("ga")
    absorber = Absorber(monitor, dispatcher, "ga", log_content=False)
    absorber.register(Conversation(monitor)._handlers())
    absorber.register(ResponseRouter(monitor, lambda _: None).handlers())
    dispatcher.on(ResponseOutputAudioDelta, lambda _: None)
    reader = FrameReader(1 << 24)

    def read_frames() -> None:
        reader.room()[: len(frame)] = frame
        reader.filled(len(frame))
        reader.take()

    return [
        ("kernel: send and receive, on one core", _kernel(frame)),
        ("TLS: encrypt and decrypt", _tls(frame, decrypts=True)),
        ("frames", read_frames),
        ("JSON (orjson), where it is parsed", lambda: orjson.loads(message)),
        ("base64 (pybase64)", lambda: pybase64.b64decode(payload["delta"], None, True)),
        ("object", lambda: ResponseOutputAudioDelta(**values, delta=event.delta)),
        ("audio to event: decode", lambda: decode_server_event(message)),
        ("decode and state: absorb", lambda: absorber.absorb(message)),
        ("dispatch to one callback", lambda: dispatcher.dispatch(event)),
    ]


def _sending() -> list[Part]:
    splitter, writer, queue = AudioSplitter(), FrameWriter(), SendQueue(1 << 20)
    frame = (TEXT, APPEND)
    in_c = find_mask()

    def hand_over() -> None:
        queue.put(frame, Lane.AUDIO)
        queue.take()

    return [
        ("check and cut", lambda: list(splitter.split(UP, 2))),
        ("base64 and template", lambda: encode_append(UP)),
        ("queue: put and take", hand_over),
        ("mask, in C of websockets", lambda: in_c(APPEND, b"abcd")),
        ("mask, without websockets", lambda: mask(APPEND, b"abcd")),
        ("mask and frame", lambda: list(writer.encode((frame,)))),
        ("TLS: encrypt", _tls(APPEND, decrypts=False)),
        ("kernel: send and receive, on one core", _kernel(APPEND)),
    ]


def _kernel(data: bytes) -> Callable[[], object]:
    """Return a send and the receive of it, over TCP on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    buffer = bytearray(65_536)

    def send_and_receive() -> None:
        left = ours.send(data)
        while left:
            left -= theirs.recv_into(buffer)

    return send_and_receive


def _tls(data: bytes, *, decrypts: bool) -> Callable[[], object]:
    """Return encrypting in memory, alone or with the decrypting."""
    import trustme

    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_context)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "ca.pem"))
        authority.cert_pem.write_to_path(path)
        client_context = ssl.create_default_context(cafile=path)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(down, up, server_hostname="localhost")
    server = server_context.wrap_bio(up, down, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    buffer = bytearray(65_536)

    def encrypt() -> None:
        server.write(data)
        down.read()

    def both() -> None:
        server.write(data)
        client.read(len(data), buffer)

    return both if decrypts else encrypt


def measure(parts: list[Part]) -> dict[str, float]:
    """Return the microseconds of each part."""
    best = {name: float("inf") for name, _ in parts}
    for _ in range(ROUNDS):
        for name, call in parts:
            seconds = timeit.timeit(call, number=CALLS, timer=thread_time)
            best[name] = min(best[name], seconds / CALLS * 1e6)
    return best


def hand_off(times: int = 5_000) -> float:
    """Return the microseconds of both threads' CPU for one that wakes the other."""
    there, back = SendQueue(1 << 20), SendQueue(1 << 20)

    def answer() -> None:
        for _ in range(times):
            while not there.take():
                there.wait(None)
            back.put((TEXT, b""))

    thread = threading.Thread(target=answer)
    started = process_time()
    thread.start()
    for _ in range(times):
        there.put((TEXT, b""))
        while not back.take():
            back.wait(None)
    thread.join()
    return (process_time() - started) / times / 2 * 1e6


def main() -> None:
    """Measure and show both directions."""
    for title, parts in (
        ("receive 100 ms of audio", _receiving(audio_delta(4800))),
        ("receive 25 ms of audio", _receiving(audio_delta(1200))),
        ("send 20 ms of audio", _sending()),
    ):
        sys.stdout.write(f"{title}\n")
        for name, microseconds in measure(parts).items():
            sys.stdout.write(f"    {name:40}{microseconds:7.2f} us\n")
    handed_off = min(hand_off() for _ in range(5))
    sys.stdout.write(
        f"    {'a queue that wakes the other thread':40}{handed_off:7.2f} us\n"
    )


if __name__ == "__main__":
    main()
