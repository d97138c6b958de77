"""
How long the codec takes for 100 ms of audio, and how that compares to its parts.

Run it with ``python -m benchmarks.decode``. The last column is the ratio to what orjson
and pybase64 alone take for the same message, which for decoding is to stay below 1.6.
Each figure is the best of many short rounds, and the rounds of all rows alternate, so
that a busy machine harms all of them alike.
"""

from __future__ import annotations

import base64
import json
import sys
import timeit
from collections.abc import Callable

import orjson
import pybase64

from realtime_sync.protocol.client_events import InputAudioBufferAppend
from realtime_sync.protocol.codec import (
    decode_client_event,
    decode_server_event,
    encode,
    encode_append,
)
from realtime_sync.protocol.server_events import ResponseOutputAudioDelta


PCM = bytes(i * 7 % 251 for i in range(4800))  # 100 ms at 24 kHz
ROUNDS = 60
CALLS = 500

DELTA = ResponseOutputAudioDelta(
    event_id="event_C9G8pqbTEddBSIxbBN6Os",
    response_id="resp_C9G8p7IH2WxLbkgPNouYL",
    item_id="item_CCXGSizgEppa2d4XbKA7K",
    output_index=0,
    content_index=0,
    delta=PCM,
)
APPEND = InputAudioBufferAppend(audio=PCM)
GA = encode(DELTA)
PREVIEW = encode(DELTA, "preview")
CLIENT = encode(APPEND)
TEXT = (
    b'{"type":"response.output_text.delta","event_id":"event_4142","response_id":'
    b'"resp_001","item_id":"msg_007","output_index":0,"content_index":0,'
    b'"delta":"Sure, I can h"}'
)


def parts() -> bytes:
    return pybase64.b64decode(orjson.loads(GA)["delta"], None, True)


def standard_library() -> bytes:
    return base64.b64decode(json.loads(GA)["delta"], validate=True)


ROWS: dict[str, Callable[[], object]] = {
    "orjson and pybase64 alone": parts,
    "json and base64 alone": standard_library,
    "decode audio delta": lambda: decode_server_event(GA),
    "decode audio delta, preview": lambda: decode_server_event(PREVIEW, "preview"),
    "decode audio append": lambda: decode_client_event(CLIENT),
    "decode text delta": lambda: decode_server_event(TEXT),
    "encode_append": lambda: encode_append(PCM),
    "encode audio append": lambda: encode(APPEND),
    "encode audio delta": lambda: encode(DELTA),
}


def measure(rounds: int = ROUNDS, calls: int = CALLS) -> dict[str, float]:
    """Return the microseconds of one call, by row."""
    timers = {name: timeit.Timer(call) for name, call in ROWS.items()}
    best = dict.fromkeys(timers, float("inf"))
    for _ in range(rounds):
        for name, timer in timers.items():
            best[name] = min(best[name], timer.timeit(calls) / calls * 1e6)
    return best


def main() -> None:
    best = measure()
    alone = best["orjson and pybase64 alone"]
    sys.stdout.write(f"{len(GA)} bytes of JSON, {len(PCM)} bytes of audio\n")
    for name, microseconds in best.items():
        row = f"{name:30}{microseconds:8.2f} us{microseconds / alone:8.2f}\n"
        sys.stdout.write(row)


if __name__ == "__main__":
    main()
