"""
Blocking, threaded client for the ``/realtime`` API of Azure OpenAI and OpenAI.

A background reader thread decodes server events into attrs classes and dispatches them
to registered callbacks, while the caller's thread sends commands through a blocking
send queue. `RealtimeClient` holds the settings, `RealtimeConnection` is what its
`connect()` returns, and everything below is documented where it is defined.
"""

import typing as _typing
from importlib import import_module as _import_module

from . import protocol as _protocol
from ._answer_stream import AnswerStream
from ._server_responses import ServerResponses
from ._version import VERSION as __version__  # noqa: N811  # by convention
from .client import RealtimeClient
from .connection import (
    RealtimeConnection,
    TranscriptionConnection,
    TranslationConnection,
)
from .conversation import (
    Conversation,
    ConversationItem,
    Loss,
    Restoration,
    restoration,
    restore_events,
)
from .errors import (
    AuthenticationError,
    ConnectError,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    ControlError,
    DecodeError,
    HandshakeError,
    LocalProtocolError,
    ProtocolError,
    RealtimeError,
    RemoteProtocolError,
    ResponseError,
    SendQueueFull,
    ServerError,
    SessionExpired,
    WebhookError,
)
from .protocol import *  # noqa: F403  # its `__all__` is tested
from .response_stream import ResponseResult, ResponseStream
from .usage import Prices, UsageTotals


if _typing.TYPE_CHECKING:
    from .control import ControlClient, EphemeralKey, RealtimeCall
    from .functions import (
        FunctionContext,
        FunctionResult,
        FunctionRunner,
        NoResponse,
        function_tool,
    )
    from .playback import Interruption, Playback
    from .webhooks import (
        IncomingCall,
        RealtimeCallIncoming,
        SipHeader,
        UnknownWebhook,
        parse_webhook,
    )

__all__ = [
    "AnswerStream",
    "AuthenticationError",
    "ConnectError",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "ControlClient",
    "ControlError",
    "Conversation",
    "ConversationItem",
    "DecodeError",
    "EphemeralKey",
    "FunctionContext",
    "FunctionResult",
    "FunctionRunner",
    "HandshakeError",
    "IncomingCall",
    "Interruption",
    "LocalProtocolError",
    "Loss",
    "NoResponse",
    "Playback",
    "Prices",
    "ProtocolError",
    "RealtimeCall",
    "RealtimeCallIncoming",
    "RealtimeClient",
    "RealtimeConnection",
    "RealtimeError",
    "RemoteProtocolError",
    "ResponseError",
    "ResponseResult",
    "ResponseStream",
    "Restoration",
    "SendQueueFull",
    "ServerError",
    "ServerResponses",
    "SessionExpired",
    "SipHeader",
    "TranscriptionConnection",
    "TranslationConnection",
    "UnknownWebhook",
    "UsageTotals",
    "WebhookError",
    "__version__",
    "function_tool",
    "parse_webhook",
    "restoration",
    "restore_events",
]

__all__ += _protocol.__all__
__all__.sort()

# What not every program needs is imported when it is asked for.
_LATER = {
    "ControlClient": "control",
    "EphemeralKey": "control",
    "FunctionContext": "functions",
    "FunctionResult": "functions",
    "FunctionRunner": "functions",
    "IncomingCall": "webhooks",
    "Interruption": "playback",
    "NoResponse": "functions",
    "Playback": "playback",
    "RealtimeCall": "control",
    "RealtimeCallIncoming": "webhooks",
    "SipHeader": "webhooks",
    "UnknownWebhook": "webhooks",
    "function_tool": "functions",
    "parse_webhook": "webhooks",
}


def _publish(name: str, value: object) -> None:
    """Let a name live here: reprs, tracebacks and pickles say realtime_sync."""
    globals()[name] = value
    if isinstance(value, type):
        value.__module__ = __name__


for _name in __all__:
    if _name not in _LATER:
        _publish(_name, globals()[_name])
del _name


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(_import_module(f".{_LATER[name]}", __name__), name)
    _publish(name, value)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
