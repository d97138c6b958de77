"""
The clients that are compared, each doing the same work as its users would.

Audio is PCM on the user's side in all of them, as bytes. Each opens one connection; the
first event, `session.created`, has been taken when the constructor returns.
"""

from __future__ import annotations

import abc
import base64
import json
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine
from time import perf_counter
from typing import Any, TypeVar


__all__ = ["CLIENTS", "Client"]

T = TypeVar("T")
_DONE = "response.done"
_CLEAR = b'{"type":"input_audio_buffer.clear"}'


class Client(abc.ABC):
    """One connection of one library, and what can be measured of it."""

    tls = True  # whether it is measured over wss too

    @abc.abstractmethod
    def __init__(self, url: str, model: str, context: ssl.SSLContext | None) -> None:
        """Connect."""

    @abc.abstractmethod
    def receive(self) -> int:
        """Ask for a burst and take all of it; return how many bytes of PCM came."""

    @abc.abstractmethod
    def send(self, pcm: bytes, count: int) -> None:
        """Append *pcm* so many times; return when the server has all of it."""

    @abc.abstractmethod
    def round_trips(self, count: int) -> list[float]:
        """Give a command so many times; return the seconds until each is answered."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close the connection."""


class LiveClient(Client):
    """A client that can hold many conversations in one process."""

    @abc.abstractmethod
    def append(self, pcm: bytes) -> None:
        """Send audio."""

    @abc.abstractmethod
    def listen(self, heard: Callable[[str, bytes], None]) -> None:
        """Call *heard* with the event id and the PCM of every delta."""


_clients: list[Any] = []


def _shared(make: Callable[[], Any]) -> Any:
    """Return the one client of this process, from which all connections come."""
    if not _clients:
        _clients.append(make())
    return _clients[0]


def _times(command: Callable[[], object], count: int) -> list[float]:
    seconds = []
    for _ in range(count):
        started = perf_counter()
        command()
        seconds.append(perf_counter() - started)
    return seconds


class Ours(LiveClient):
    """Ours: `on()`, `append_input_audio()`, `clear_input_audio()`."""

    def __init__(self, url: str, model: str, context: ssl.SSLContext | None) -> None:
        import realtime_sync

        self._api = realtime_sync
        client = _shared(
            lambda: realtime_sync.RealtimeClient(
                url, "key", model=model, ssl_context=context
            )
        )
        self.connection = client.connect()
        self._bytes = 0
        self._done = threading.Event()

    def receive(self) -> int:
        if not self._bytes:
            deltas = self._api.ResponseOutputAudioDelta
            self.connection.on(deltas, self._on_audio)
            self.connection.on(self._api.ResponseDone, lambda _: self._done.set())
        self._bytes = 0
        self._done.clear()
        self.connection.send(self._api.InputAudioBufferClear())
        self._done.wait()
        return self._bytes

    def _on_audio(self, event: Any) -> None:
        self._bytes += len(event.delta)

    def send(self, pcm: bytes, count: int) -> None:
        append = self.connection.append_input_audio
        for _ in range(count):
            append(pcm)
        # Clearing would drop the audio that is still queued.
        self.connection.commit_input_audio(timeout=None)

    def round_trips(self, count: int) -> list[float]:
        return _times(self.connection.clear_input_audio, count)

    def append(self, pcm: bytes) -> None:
        self.connection.append_input_audio(pcm)

    def listen(self, heard: Callable[[str, bytes], None]) -> None:
        @self.connection.on(self._api.ResponseOutputAudioDelta)
        def on_audio(event: Any) -> None:
            heard(event.event_id, event.delta)

    def close(self) -> None:
        self.connection.close()


class OpenAI(LiveClient):
    """openai-python, the sync client."""

    def __init__(self, url: str, model: str, context: ssl.SSLContext | None) -> None:
        import openai

        options: dict[str, Any] = {"max_size": None}
        if context is not None:
            options["ssl"] = context
        base = f"{url}/v1"
        client = _shared(lambda: openai.OpenAI(api_key="key", websocket_base_url=base))
        self._manager = client.realtime.connect(
            model=model, websocket_connection_options=options
        )
        self._connection = self._manager.enter()
        self._connection.recv()

    def receive(self) -> int:
        self._connection.input_audio_buffer.clear()
        total = 0
        while (event := self._connection.recv()).type != _DONE:
            if event.type == "response.output_audio.delta":
                total += len(base64.b64decode(event.delta))
        return total

    def send(self, pcm: bytes, count: int) -> None:
        for _ in range(count):
            self.append(pcm)
        self._command()

    def round_trips(self, count: int) -> list[float]:
        return _times(self._command, count)

    def append(self, pcm: bytes) -> None:
        audio = base64.b64encode(pcm).decode()
        self._connection.input_audio_buffer.append(audio=audio)

    def listen(self, heard: Callable[[str, bytes], None]) -> None:
        def read() -> None:
            for event in self._connection:
                if event.type == "response.output_audio.delta":
                    heard(event.event_id, base64.b64decode(event.delta))

        threading.Thread(target=read, daemon=True).start()

    def close(self) -> None:
        self._connection.close()

    def _command(self) -> None:
        self._connection.input_audio_buffer.clear()
        self._connection.recv()


class _Async(Client):
    """A client that lives in an event loop."""

    _connection: Any

    def __init__(self, url: str, model: str, context: ssl.SSLContext | None) -> None:
        import asyncio

        self._loop = asyncio.new_event_loop()
        self._run(self._open(url, model, context))

    @abc.abstractmethod
    async def _open(self, url: str, model: str, context: Any) -> None: ...

    @abc.abstractmethod
    async def _receive(self) -> int: ...

    def receive(self) -> int:
        return self._run(self._receive())

    def send(self, pcm: bytes, count: int) -> None:
        self._run(self._send(pcm, count))

    def round_trips(self, count: int) -> list[float]:
        return self._run(self._round_trips(count))

    def close(self) -> None:
        self._run(self._connection.close())
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    async def _send(self, pcm: bytes, count: int) -> None:
        for _ in range(count):
            audio = base64.b64encode(pcm).decode()
            await self._connection.input_audio_buffer.append(audio=audio)
        await self._command()

    async def _command(self) -> None:
        await self._connection.input_audio_buffer.clear()
        await self._connection.recv()

    async def _round_trips(self, count: int) -> list[float]:
        seconds = []
        for _ in range(count):
            started = perf_counter()
            await self._command()
            seconds.append(perf_counter() - started)
        return seconds


class AsyncOpenAI(_Async):
    """openai-python, the async client."""

    async def _open(self, url: str, model: str, context: Any) -> None:
        import openai

        options: dict[str, Any] = {"max_size": None}
        if context is not None:
            options["ssl"] = context
        client = openai.AsyncOpenAI(api_key="key", websocket_base_url=f"{url}/v1")
        self._connection = await client.realtime.connect(
            model=model, websocket_connection_options=options
        ).enter()
        await self._connection.recv()

    async def _receive(self) -> int:
        await self._connection.input_audio_buffer.clear()
        total = 0
        while (event := await self._connection.recv()).type != _DONE:
            if event.type == "response.output_audio.delta":
                total += len(base64.b64decode(event.delta))
        return total


class VoiceLive(_Async):
    """azure-ai-voicelive, which speaks the preview's names to a service of its own."""

    tls = False  # it takes no certificate authority

    async def _open(self, url: str, model: str, context: Any) -> None:
        from azure.ai.voicelive.aio import connect
        from azure.core.credentials import AzureKeyCredential

        endpoint = url.replace("ws://", "http://")
        names = model.replace("ms-", "msp-")
        self._manager = connect(
            endpoint=endpoint, credential=AzureKeyCredential("key"), model=names
        )
        self._connection = await self._manager.__aenter__()
        await self._connection.recv()

    async def _receive(self) -> int:
        await self._connection.input_audio_buffer.clear()
        total = 0
        while (event := await self._connection.recv()).type != _DONE:
            if event.type == "response.audio.delta":
                total += len(event.delta)
        return total

    def close(self) -> None:
        self._run(self._manager.__aexit__(None, None, None))
        self._loop.close()


class WebsocketClient(Client):
    """websocket-client with the standard library's JSON and base64."""

    def __init__(self, url: str, model: str, context: ssl.SSLContext | None) -> None:
        import websocket

        sslopt = {} if context is None else {"context": context}
        self._ws = websocket.create_connection(f"{url}/?model={model}", sslopt=sslopt)
        self._ws.recv()

    def receive(self) -> int:
        self._ws.send(_CLEAR.decode())
        total = 0
        while (event := json.loads(self._ws.recv()))["type"] != _DONE:
            if event["type"] == "response.output_audio.delta":
                total += len(base64.b64decode(event["delta"]))
        return total

    def send(self, pcm: bytes, count: int) -> None:
        for _ in range(count):
            audio = base64.b64encode(pcm).decode()
            message = {"type": "input_audio_buffer.append", "audio": audio}
            self._ws.send(json.dumps(message))
        self._command()

    def round_trips(self, count: int) -> list[float]:
        return _times(self._command, count)

    def close(self) -> None:
        self._ws.close()

    def _command(self) -> None:
        self._ws.send(_CLEAR.decode())
        json.loads(self._ws.recv())


class Websockets(LiveClient):
    """A socket of websockets with msgspec: what a good engineer writes by hand."""

    def __init__(self, url: str, model: str, context: ssl.SSLContext | None) -> None:
        import msgspec
        from websockets.sync.client import connect

        class Event(msgspec.Struct):
            type: str
            event_id: str
            delta: str = ""

        self._decode = msgspec.json.Decoder(Event).decode
        self._encode = msgspec.json.Encoder().encode
        self._ws = connect(
            f"{url}/?model={model}", ssl=context, compression=None, max_size=None
        )
        self._ws.recv()

    def receive(self) -> int:
        self._ws.send(_CLEAR, text=True)
        total = 0
        while (event := self._decode(self._ws.recv(decode=False))).type != _DONE:
            if event.type == "response.output_audio.delta":
                total += len(base64.b64decode(event.delta))
        return total

    def send(self, pcm: bytes, count: int) -> None:
        for _ in range(count):
            self.append(pcm)
        self._command()

    def round_trips(self, count: int) -> list[float]:
        return _times(self._command, count)

    def append(self, pcm: bytes) -> None:
        # msgspec writes bytes as base64.
        message = {"type": "input_audio_buffer.append", "audio": pcm}
        self._ws.send(self._encode(message), text=True)

    def listen(self, heard: Callable[[str, bytes], None]) -> None:
        from websockets.exceptions import ConnectionClosed

        def read() -> None:
            try:
                while True:
                    event = self._decode(self._ws.recv(decode=False))
                    heard(event.event_id, base64.b64decode(event.delta))
            except ConnectionClosed:
                pass

        threading.Thread(target=read, daemon=True).start()

    def close(self) -> None:
        self._ws.close()

    def _command(self) -> None:
        self._ws.send(_CLEAR, text=True)
        self._decode(self._ws.recv(decode=False))


class BareSocket(Client):
    """A blocking socket and C code for all the rest: about what one core can do."""

    def __init__(self, url: str, model: str, context: ssl.SSLContext | None) -> None:
        import orjson
        import pybase64
        from websockets.speedups import apply_mask

        self._loads, self._mask = orjson.loads, apply_mask
        self._b64decode, self._b64encode = pybase64.b64decode, pybase64.b64encode
        port = int(url.rpartition(":")[2])
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            self._socket = context.wrap_socket(
                self._socket, server_hostname="127.0.0.1"
            )
        self._socket.sendall(
            f"GET /?model={model} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        self._data = bytearray(262_144)
        self._view = memoryview(self._data)
        self._start = self._end = 0
        while (at := self._data.find(b"\r\n\r\n", 0, self._end)) < 0:
            self._fill()
        self._start = at + 4
        self._message()

    def receive(self) -> int:
        self._write(_CLEAR)
        total = 0
        while (event := self._loads(self._message()))["type"] != _DONE:
            if event["type"] == "response.output_audio.delta":
                total += len(self._b64decode(event["delta"], None, True))
        return total

    def send(self, pcm: bytes, count: int) -> None:
        for _ in range(count):
            audio = self._b64encode(pcm)
            self._write(b'{"type":"input_audio_buffer.append","audio":"%b"}' % audio)
        self._command()

    def round_trips(self, count: int) -> list[float]:
        return _times(self._command, count)

    def close(self) -> None:
        self._socket.close()

    def _command(self) -> None:
        self._write(_CLEAR)
        self._loads(self._message())

    def _write(self, payload: bytes) -> None:
        size, key = len(payload), b"\x12\x34\x56\x78"
        head = bytes((0x81, 0x80 | min(size, 126)))
        if size > 125:
            head += size.to_bytes(2, "big")
        self._socket.sendall(head + key + self._mask(payload, key))

    def _message(self) -> memoryview:
        while True:
            start, end = self._start, self._end
            if end - start > 4:
                size, body = self._data[start + 1], start + 2
                if size == 126:
                    body += 2
                    size = self._data[start + 2] << 8 | self._data[start + 3]
                if end >= body + size:
                    self._start = body + size
                    return self._view[body : body + size]
            if end == len(self._data):
                self._view[: end - start] = bytes(self._view[start:end])
                self._start, self._end = 0, end - start
            self._fill()

    def _fill(self) -> None:
        self._end += self._socket.recv_into(self._view[self._end :])


CLIENTS: dict[str, type[Client]] = {
    "realtime_sync": Ours,
    "openai": OpenAI,
    "openai async": AsyncOpenAI,
    "azure-ai-voicelive": VoiceLive,
    "websocket-client": WebsocketClient,
    "websockets + msgspec": Websockets,
    "bare socket": BareSocket,
}
