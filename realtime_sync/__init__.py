"""
Blocking, threaded client for the ``/realtime`` API of Azure OpenAI and OpenAI.

A background reader thread decodes server events into attrs classes and dispatches them
to registered callbacks, while the caller's thread sends commands through a blocking
send queue. `RealtimeClient` holds the settings, `RealtimeConnection` is what its
`connect()` returns, and everything below is documented where it is defined.
"""

from . import protocol as _protocol
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
)
from .protocol import *  # noqa: F403  # its `__all__` is tested
from .response_stream import ResponseResult, ResponseStream
from .usage import Prices, UsageTotals


__all__ = [
    "AuthenticationError",
    "ConnectError",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "Conversation",
    "ConversationItem",
    "DecodeError",
    "HandshakeError",
    "LocalProtocolError",
    "Loss",
    "Prices",
    "ProtocolError",
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
    "TranscriptionConnection",
    "TranslationConnection",
    "UsageTotals",
    "__version__",
    "restoration",
    "restore_events",
]

__all__ += _protocol.__all__
__all__.sort()

# What is public lives here: reprs, tracebacks and pickles name realtime_sync.
for _name in __all__:
    _value = globals()[_name]
    if isinstance(_value, type):
        _value.__module__ = __name__
del _name, _value
