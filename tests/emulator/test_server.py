"""The emulator as a server: its life, its sessions, its records, TLS."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from emulated import SILENCE, TONES, said, types
from openai_models import check_event
from sockets import GA, TIMEOUT, UPGRADE, emulator_threads, peer_of, quick
from websockets.exceptions import ConnectionClosed
from websockets.server import ServerProtocol
from websockets.sync.server import ServerConnection

from realtime_sync.emulator import (
    EmulatorSettings,
    ManualClock,
    RealtimeEmulator,
    Reply,
    Turn,
)
from realtime_sync.emulator._carrier import EmulatorConnection


OPEN_FILES = Path("/proc/self/fd")  # Linux only


def frame(payload: bytes) -> bytes:
    """Return a short text frame, masked by nothing."""
    return bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def _pipes() -> set[str]:
    targets = set()
    for number in os.listdir(OPEN_FILES):
        with contextlib.suppress(OSError):  # the descriptor of the listing itself
            targets.add(os.readlink(OPEN_FILES / number))
    return {target for target in targets if target.startswith("pipe:")}


class TestLife:
    def test_nothing_is_left(self) -> None:
        """Closing ends every thread, also with clients that stay."""
        with quick() as emulator:
            peers = [peer_of(emulator) for _ in range(3)]
            for peer in peers:
                peer.__enter__().receive()
            emulator.close()
        for peer in peers:
            peer.__exit__(None, None, None)

        assert [] == emulator_threads()

    @pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="only Linux tells")
    def test_no_pipe_is_left(self) -> None:
        """A process may start and close any number of emulators."""
        before = _pipes()
        for _ in range(3):
            with quick() as emulator:
                assert emulator.port

        assert before == _pipes()

    def test_close_says_so(self) -> None:
        """Clients that are there when the emulator ends get code 1001."""
        with quick() as emulator, peer_of(emulator) as peer:
            peer.until("conversation.created")
            emulator.close()

            with pytest.raises(ConnectionClosed) as caught:
                peer.receive()

        assert caught.value.rcvd is not None
        assert 1001 == caught.value.rcvd.code

    def test_client_that_does_not_read(self) -> None:
        """Closing does not wait for a client that reads nothing."""
        reply = Reply("x", audio=bytes(48 * 60_000))
        with (
            quick(replies=[reply] * 20) as emulator,
            socket.create_connection(("127.0.0.1", emulator.port)) as plain,
        ):
            plain.sendall(UPGRADE)
            record = emulator.wait_for_session()
            for _ in range(20):
                plain.sendall(frame(b'{"type": "response.create"}'))
            record.wait_for(lambda record: len(record.responses) > 0)
            started = time.monotonic()
            emulator.close()

        assert time.monotonic() - started < 5
        assert [] == emulator_threads()

    def test_client_that_never_upgrades(self) -> None:
        """Closing does not wait long for a connection that says nothing."""
        settings = EmulatorSettings.instant(open_timeout=0.2, close_timeout=0.1)
        with (
            quick(settings=settings) as emulator,
            socket.create_connection(("127.0.0.1", emulator.port)),
        ):
            with peer_of(emulator) as peer:  # accepted after the other one
                peer.receive()
            emulator.close()

        assert [] == emulator_threads()

    @pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
    def test_client_that_comes_at_the_end(self, tls: bool) -> None:
        """Who is let in as the emulator closes is left, and holds nothing up."""
        with quick(tls=tls) as emulator:
            assert emulator._handlers is not None
            emulator._handlers.close()
            with socket.create_connection(("127.0.0.1", emulator.port), 60.0) as late:
                assert b"" == late.recv(1)

    def test_close_twice(self) -> None:
        """Closing twice, or before the start, does nothing."""
        emulator = quick()
        emulator.close()
        emulator.close()

        with pytest.raises(RuntimeError, match="make a new one"):
            emulator.start()

    def test_start_twice(self) -> None:
        """Starting twice does nothing."""
        with quick() as emulator:
            endpoint = emulator.endpoint
            emulator.start()

            assert endpoint == emulator.endpoint

    def test_port(self) -> None:
        """A port may be chosen, and is free again afterwards."""
        with quick() as emulator:
            port = emulator.port
        with quick(port=port) as emulator:
            assert f"ws://127.0.0.1:{port}" == emulator.endpoint

    def test_taken_port(self) -> None:
        """A port that is taken is an OSError, and leaves nothing behind."""
        with quick() as emulator, pytest.raises(OSError, match="in use"):
            quick(port=emulator.port).start()

    def test_serve_forever(self) -> None:
        """It serves until it is closed."""
        emulator = quick()
        emulator.start()
        server = threading.Thread(target=emulator.serve_forever)
        server.start()
        with peer_of(emulator) as peer:
            peer.receive()
        emulator.close()
        server.join(TIMEOUT)

        assert not server.is_alive()

    def test_client_that_vanishes(self) -> None:
        """A client that goes without a goodbye ends its session alone."""
        with quick() as emulator, peer_of(emulator) as peer:
            peer.receive()
            peer.socket.socket.shutdown(socket.SHUT_RDWR)
            code, _ = emulator.wait_for_session().wait_closed()

        assert 1006 == code


class BusySocket(socket.socket):
    """A socket whose sending lasts until it is told to end."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.sending = threading.Event()
        self.go_on = threading.Event()
        self.happened: list[str] = []

    def sendall(self, *_: Any) -> None:
        self.sending.set()
        self.go_on.wait(TIMEOUT)
        self.happened.append("sent")

    def close(self) -> None:
        if self.fileno() >= 0:
            self.happened.append("closed")
        super().close()


def test_the_descriptor_is_not_given_away_under_a_sender() -> None:
    """A socket is closed when nobody sends, or TLS would send to somebody else."""
    far, other = socket.socketpair()
    near = BusySocket(other.family, other.type, other.proto, other.detach())
    # Newer versions want the server, too.
    more = (
        {"server": None} if "server" in signature(ServerConnection).parameters else {}
    )
    connection = EmulatorConnection(near, ServerProtocol(), **more)

    def send() -> None:
        with connection.protocol_mutex:
            connection.socket.sendall(b"hello")

    sender = threading.Thread(target=send)
    sender.start()
    assert near.sending.wait(TIMEOUT)
    far.close()
    closer = threading.Thread(target=connection.close_socket)
    closer.start()
    connection.recv_events_thread.join(0.05)  # it waits for the sender
    near.go_on.set()
    for thread in (sender, closer, connection.recv_events_thread):
        thread.join(TIMEOUT)

    assert ["sent", "closed"] == near.happened


class TestSessions:
    def test_spoken_turn(self) -> None:
        """Speech is heard and answered with speech."""
        with quick() as emulator, peer_of(emulator) as peer:
            peer.hear(TONES.speak("What is the capital of Norway?") + SILENCE)
            events = peer.until("response.done")

        assert ["The capital of Norway is Oslo."] == list(said(events))

    def test_many_at_once(self) -> None:
        """Sessions do not get into each other's way."""
        with quick() as emulator, ThreadPoolExecutor(8) as pool:

            def ask(number: int) -> list[str]:
                with peer_of(emulator) as peer:
                    peer.ask(f"number {number}")
                    return list(said(peer.until("response.done")))

            answers = list(pool.map(ask, range(16)))

        assert [[f"You said: number {number}"] for number in range(16)] == answers

    def test_client_that_writes_before_it_reads(self) -> None:
        """A client may send all it has and read afterwards."""
        with quick() as emulator, peer_of(emulator) as peer:
            for _ in range(5):
                peer.hear(TONES.speak("This is a rather long sentence.") + SILENCE)
            record = emulator.wait_for_session()
            record.wait_for(lambda record: len(record.responses) >= 5)

            assert types(peer.until("response.done"))

    def test_preview(self) -> None:
        """The preview's URL speaks the preview's dialect."""
        path = "/openai/realtime?api-version=2025-04-01-preview&deployment=mine"
        with quick() as emulator, peer_of(emulator, path) as peer:
            peer.ask("hello")
            events = peer.until("response.done")

        assert "response.audio.delta" in types(events)
        assert "mine" == events[0]["session"]["model"]

    def test_transcription(self) -> None:
        """The transcription intent opens a transcription session."""
        path = "/openai/v1/realtime?intent=transcription"
        with quick() as emulator, peer_of(emulator, path) as peer:
            assert "transcription" == peer.receive()["session"]["type"]

    def test_translation(self) -> None:
        """The translations URL opens a translation session; its close is clean."""
        path = "/v1/realtime/translations?model=gpt-realtime-translate"
        with quick() as emulator, peer_of(emulator, path) as peer:
            assert "translation" == peer.receive()["session"]["type"]

            peer.send("session.close")
            peer.until("session.closed")
            with pytest.raises(ConnectionClosed) as caught:
                peer.receive()

        assert caught.value.rcvd is not None
        assert 1000 == caught.value.rcvd.code

    def test_binary_message(self) -> None:
        """A binary message is no event, and does no harm."""
        with quick() as emulator, peer_of(emulator) as peer:
            peer.socket.send(b"{}")
            failure = peer.until("error")[-1]["error"]

        assert "invalid_event" == failure["code"]

    def test_too_large(self) -> None:
        """A message that is too large closes the connection with code 1009."""
        settings = EmulatorSettings.instant(max_message_bytes=10_000)
        with quick(settings=settings) as emulator, peer_of(emulator) as peer:
            peer.send("input_audio_buffer.append", audio="A" * 20_000)
            with pytest.raises(ConnectionClosed) as caught:
                peer.until("nothing")

        assert caught.value.rcvd is not None
        assert 1009 == caught.value.rcvd.code

    def test_work_runs_aside(self) -> None:
        """While a reply is thought out the session goes on."""
        thinking, may_answer = threading.Event(), threading.Event()

        def reply(turn: Turn) -> Reply:
            thinking.set()
            assert may_answer.wait(TIMEOUT)
            return Reply("At last.")

        with quick(replies=reply) as emulator, peer_of(emulator) as peer:
            peer.ask("hello")
            assert thinking.wait(TIMEOUT)

            peer.send("session.update", session={"type": "realtime"})
            peer.until("session.updated")
            may_answer.set()

            assert ["At last."] == list(said(peer.until("response.done")))

    def test_replier_that_never_answers(self) -> None:
        """A replier that thinks for ever does not hold up the end."""
        thinking, never = threading.Event(), threading.Event()

        def reply(turn: Turn) -> Reply:
            thinking.set()
            never.wait()
            return Reply("Never.")

        settings = EmulatorSettings.instant(close_timeout=0.05)
        with quick(replies=reply, settings=settings) as emulator:
            with peer_of(emulator) as peer:
                peer.ask("hello")
                assert thinking.wait(TIMEOUT)
            emulator.close()
            left = emulator_threads()
            never.set()

        assert ["realtime-emulator-work-0"] == left

    def test_many_repliers_that_think(self) -> None:
        """Any number of repliers may think at the same time."""
        together = threading.Barrier(40)

        def reply(turn: Turn) -> Reply:
            together.wait(TIMEOUT)
            return Reply("Together.")

        with quick(replies=reply) as emulator, peer_of(emulator) as peer:
            for _ in range(40):
                peer.send("response.create", response={"conversation": "none"})
            statuses = [
                peer.until("response.done")[-1]["response"]["status"] for _ in range(40)
            ]

        assert ["completed"] * 40 == statuses

    def test_keys_of_a_telephone(self) -> None:
        """A pressed key is told to the client, without an id."""
        clock = ManualClock()
        with quick(clock=clock) as emulator, peer_of(emulator) as peer:
            peer.receive()
            emulator.wait_for_session()
            emulator.press_key("#")
            event = peer.until("input_audio_buffer.dtmf_event_received")[-1]

        assert {
            "type": "input_audio_buffer.dtmf_event_received",
            "event": "#",
            "received_at": 1_700_000_000,
        } == event
        check_event(event)

    def test_mcp_servers(self) -> None:
        """Functions are the tools of a server, and run outside of the session."""

        def search(query: str) -> str:
            """Search the documentation."""
            return f"{query} on {threading.current_thread().name}"

        tool = {"type": "mcp", "server_label": "docs", "server_url": "https://x.test"}
        session = {"type": "realtime", "tools": [{**tool, "require_approval": "never"}]}
        servers = {"docs": [search]}
        with quick(mcp_servers=servers) as emulator, peer_of(emulator) as peer:
            peer.send("session.update", session=session)
            peer.until("mcp_list_tools.completed")
            peer.ask("Search for whales.")
            peer.until("response.mcp_call.completed")
            done = peer.until("conversation.item.done")[-1]

        assert "Search for whales. on realtime-emulator-work" in done["item"]["output"]


class TestClock:
    def test_session_cap(self) -> None:
        """A test that owns the clock sees the cap without waiting for it."""
        clock = ManualClock()
        with quick(clock=clock) as emulator, peer_of(emulator) as peer:
            peer.receive()
            clock.advance(3600)
            with pytest.raises(ConnectionClosed) as caught:
                peer.until("nothing")

        assert caught.value.rcvd is not None
        assert (1001, "Your session hit the maximum duration of 60 minutes.") == (
            caught.value.rcvd.code,
            caught.value.rcvd.reason,
        )

    def test_reply(self) -> None:
        """A delayed reply comes when the clock says so."""
        clock = ManualClock()
        replies = [Reply("Later.", delay=60)]
        with (
            quick(clock=clock, replies=replies) as emulator,
            peer_of(emulator) as peer,
        ):
            peer.ask("hello")
            peer.until("rate_limits.updated")
            # The reply is on its way once it is asked for; time may pass in steps.
            done = threading.Event()

            def tick() -> None:
                while not done.wait(0.01):
                    clock.advance(10)

            ticker = threading.Thread(target=tick)
            ticker.start()
            events = peer.until("response.done")
            done.set()
            ticker.join()

        assert ["Later."] == list(said(events))

    def test_no_way_back(self) -> None:
        """Time does not go back."""
        with pytest.raises(ValueError, match="does not go back"):
            ManualClock().advance(-1)


class TestRecord:
    def test_what_was_received(self) -> None:
        """All that a client did is there to be looked at."""
        pcm = TONES.speak("hello") + SILENCE
        with quick() as emulator:
            with peer_of(emulator, additional_headers={"x-mine": "1"}) as peer:
                peer.hear(pcm)
                peer.until("response.done")
            record = emulator.wait_for_session()
            closed = record.wait_closed()

        assert "input_audio_buffer.append" == record.client_events[0].type
        assert "session.created" == record.server_events[0].type
        assert pcm == record.input_audio
        assert ["user", "assistant"] == [item.role for item in record.items]  # type: ignore[union-attr]
        assert ["completed"] == [response.status for response in record.responses]
        assert (1000, "") == closed
        assert {"model": "gpt-realtime"} == record.query
        assert "1" == record.headers["x-mine"]

    def test_no_secrets(self) -> None:
        """A record holds no key."""
        headers = {"api-key": "s3cret", "Authorization": "Bearer s3cret"}
        with quick() as emulator:
            with peer_of(
                emulator, GA + "&api-key=s3cret", additional_headers=headers
            ) as peer:
                peer.receive()
            record = emulator.wait_for_session()

        assert "s3cret" not in repr((record.headers, record.query, record.path, record))

    def test_wait_for(self) -> None:
        """A test can wait for what a client does."""
        with quick() as emulator, peer_of(emulator) as peer:
            record = emulator.wait_for_session()
            peer.send("response.cancel")
            record.wait_for(lambda record: len(record.client_events) == 1)

            with pytest.raises(TimeoutError):
                record.wait_closed(timeout=0.01)

    def test_no_session(self) -> None:
        """Waiting for a session that does not come ends."""
        with quick() as emulator, pytest.raises(TimeoutError, match="no session 0"):
            emulator.wait_for_session(timeout=0.01)

    def test_off(self) -> None:
        """A service that runs for days keeps nothing."""
        settings = EmulatorSettings.instant(record=False, close_timeout=0.2)
        with quick(settings=settings) as emulator:
            with peer_of(emulator) as peer:
                peer.ask("hello")
                peer.until("response.done")

            assert [] == emulator.sessions


class TestTls:
    def test_wss(self) -> None:
        """The certificate is good for those who are told about its authority."""
        with quick(tls=True) as emulator, peer_of(emulator) as peer:
            peer.ask("hello")

            assert emulator.endpoint.startswith("wss://127.0.0.1:")
            assert ["Hello! How can I help you?"] == list(
                said(peer.until("response.done"))
            )

    def test_ca_file(self) -> None:
        """The authority is in a file while the emulator runs."""
        with quick(tls=True) as emulator:
            path = emulator.ca_file
            assert path is not None
            assert ssl.create_default_context(cafile=str(path))

        assert not path.exists()

    def test_stranger(self) -> None:
        """Others refuse it."""
        with (
            quick(tls=True) as emulator,
            socket.create_connection(("127.0.0.1", emulator.port)) as plain,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            ssl.create_default_context().wrap_socket(plain, server_hostname="127.0.0.1")

    def test_clients_that_are_gone_at_once(self) -> None:
        """Who hangs up before TLS has begun keeps nobody else out."""
        with quick(tls=True) as emulator:
            for _ in range(50):
                with socket.create_connection(("127.0.0.1", emulator.port)) as gone:
                    linger = struct.pack("ii", 1, 0)  # closing sends a reset
                    gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    gone.sendall(b"GET / HTTP/1.1")
            with peer_of(emulator) as peer:
                assert peer.until("session.created")

    def test_plain(self) -> None:
        """Without TLS there is neither."""
        emulator = RealtimeEmulator()

        assert emulator.ca_file is None
        assert emulator.ssl_context() is None


def test_speech_is_not_loaded_before_it_is_needed() -> None:
    """A conversation in writing needs no model, so it must not load one."""

    class Speech:
        def detector(self) -> None:
            raise AssertionError

        transcribe = speak = detector

    with quick(speech=Speech()) as emulator, peer_of(emulator) as peer:
        session = {"type": "realtime", "output_modalities": ["text"]}
        peer.send("session.update", session=session)
        peer.ask("hello")

        assert ["Hello! How can I help you?"] == list(said(peer.until("response.done")))
