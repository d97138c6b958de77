"""
One hour of conversation in fast time, and the memory of the process all along.

Run it by hand: ``python tests/long/one_hour.py``. It takes some minutes. 450 turns of
eight seconds are an hour: four of speech each way. The emulator, which keeps audio,
runs in a process of its own.
"""

from __future__ import annotations

import gc
import multiprocessing
import tracemalloc
from multiprocessing.connection import Connection

from realtime_sync import RealtimeClient, RealtimeConnection
from realtime_sync.audio import duration_ms
from realtime_sync.emulator import EmulatorSettings, RealtimeEmulator, ToneSpeech


TURNS = 450
QUESTION = "Please tell me about the fjords of Norway and how to get there."
ANSWER = "They were carved by ice and are reached by road, by rail or by ship."
SESSION = {
    "audio": {
        "input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}
    }
}


def emulate(pipe: Connection) -> None:
    """Be the service until the other end of *pipe* has enough."""
    settings = EmulatorSettings.instant(record=False)
    with RealtimeEmulator(
        replies=lambda turn: ANSWER, speech=ToneSpeech(), settings=settings
    ) as emulator:
        pipe.send(emulator.endpoint)
        pipe.recv()


def converse(connection: RealtimeConnection, spoken: bytes) -> int:
    """Hold one turn; return the milliseconds of audio of both sides."""
    connection.append_input_audio(spoken)
    item_id = connection.commit_input_audio().item_id
    result = connection.create_response().result(timeout=60)
    connection.conversation.transcript(item_id, timeout=60)
    return duration_ms(spoken) + duration_ms(result.audio)


def resident() -> int:
    """Return the bytes of memory that the process has from the system (Linux)."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def kept() -> int:
    """Return the bytes that Python objects took since the tracing began."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def describe(connection: RealtimeConnection) -> str:
    """Tell how much is kept, and what for."""
    conversation = connection.conversation
    words = sum(len(item.text) for item in conversation)
    return (
        f"{kept():,} bytes kept since turn 10, of which the {len(conversation)} items "
        f"have {words:,} characters; {resident():,} bytes resident"
    )


def hold(connection: RealtimeConnection) -> None:
    """Print every 50 turns what is kept, and how much of it are words."""
    spoken = ToneSpeech().speak(QUESTION)
    heard_ms = 0
    for turn in range(1, TURNS + 1):
        heard_ms += converse(connection, spoken)
        if turn == 10:
            tracemalloc.start()  # what is made once is made by now
        elif turn % 50 == 0:
            minutes = heard_ms // 60_000
            print(f"{turn} turns, {minutes} minutes: {describe(connection)}")
    connection.conversation.clear()
    print(f"without the items: {kept():,} bytes kept")


def main() -> None:
    """Hold the conversation with an emulator in another process."""
    context = multiprocessing.get_context("spawn")
    pipe, other_end = context.Pipe()
    service = context.Process(target=emulate, args=(other_end,))
    service.start()
    client = RealtimeClient(pipe.recv(), "key", model="m", proxy="")
    try:
        with client.connect(session=SESSION) as connection:
            hold(connection)
    finally:
        pipe.send("enough")
        service.join()


if __name__ == "__main__":
    main()
