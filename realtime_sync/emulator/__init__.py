"""
A local ``/realtime`` service that hears and speaks, for tests and for trying out.

`RealtimeEmulator` serves any client of the protocol, in the GA and the preview dialect,
over ws and wss. What the model answers, what goes wrong and how fast it all is can be
set: see `replies`, `faults` and `settings`. `Session` is the same without a network.
"""

from __future__ import annotations

from ._clock import Clock, ManualClock
from ._record import SessionRecord
from .faults import Fault, FaultKind
from .replies import Failure, Replier, Reply, Turn, call, call_mcp
from .session import Session
from .settings import EmulatorSettings
from .speech import RealSpeech, Speech, SpeechDetector, ToneSpeech, default_speech


try:
    from .server import RealtimeEmulator
except ModuleNotFoundError as exc:
    if (exc.name or "").partition(".")[0] != "websockets":
        raise
    raise ImportError(
        "the emulator needs websockets: pip install 'realtime_sync[emulator]'"
    ) from exc

__all__ = [
    "Clock",
    "EmulatorSettings",
    "Failure",
    "Fault",
    "FaultKind",
    "ManualClock",
    "RealSpeech",
    "RealtimeEmulator",
    "Replier",
    "Reply",
    "Session",
    "SessionRecord",
    "Speech",
    "SpeechDetector",
    "ToneSpeech",
    "Turn",
    "call",
    "call_mcp",
    "default_speech",
]
