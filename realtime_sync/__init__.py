"""
Blocking, threaded client for the ``/realtime`` API of Azure OpenAI and OpenAI.

A background reader thread decodes server events into attrs classes and dispatches them
to registered callbacks, while the caller's thread sends commands through a blocking
send queue. `RealtimeClient` holds the settings, `RealtimeConnection` is what its
`connect()` returns, and everything below is documented where it is defined.
"""

import sys as _sys
from importlib import import_module as _import_module
from importlib.util import find_spec as _find_spec

from ._version import VERSION as _VERSION


__version__ = _VERSION


# A module is imported when the first of its names is asked for. So a program that needs
# little of this package, such as pytest with its plugin, does not wait for the rest.
# Type checkers read the same list in ``__init__.pyi``.
_EXPORTS = {
    "_asking.answer_stream": ["AnswerStream"],
    "_connection.stats": ["ConnectionStats"],
    "_log_fields": ["FlaskFields", "LogFields"],
    "_responses.server_responses": ["ServerResponses"],
    "batch": [
        "Batch",
        "BatchOptions",
        "BatchProgress",
        "ItemResult",
        "ask_many",
        "run_many",
        "transcribe_many",
    ],
    "client": ["RealtimeClient"],
    "connection": [
        "RealtimeConnection",
        "TranscriptionConnection",
        "TranslationConnection",
    ],
    "control": ["ControlClient", "EphemeralKey", "RealtimeCall"],
    "conversation": [
        "Conversation",
        "ConversationItem",
        "Loss",
        "Restoration",
        "restoration",
        "restore_events",
    ],
    "errors": [
        "AuthenticationError",
        "ConnectError",
        "ConnectionClosed",
        "ConnectionClosedError",
        "ConnectionClosedOK",
        "ConnectionLost",
        "ControlError",
        "DecodeError",
        "HandshakeError",
        "LocalProtocolError",
        "ProtocolError",
        "RealtimeError",
        "RemoteProtocolError",
        "ResponseError",
        "SendQueueFull",
        "ServerError",
        "SessionExpired",
        "WebhookError",
    ],
    "functions": [
        "FunctionContext",
        "FunctionResult",
        "FunctionRunner",
        "NoResponse",
        "function_tool",
    ],
    "playback": ["Interruption", "Playback"],
    "reconnect": ["Reconnected", "ReconnectPolicy", "SessionExpiring"],
    "response_stream": ["ResponseResult", "ResponseStream"],
    "telemetry": ["Telemetry"],
    "usage": ["Prices", "UsageTotals"],
    "webhooks": [
        "IncomingCall",
        "RealtimeCallIncoming",
        "SipHeader",
        "UnknownWebhook",
        "parse_webhook",
    ],
}
_HOMES = {name: home for home, names in _EXPORTS.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "__all__":
        names = {*_HOMES, "__version__", *_import_module(".protocol", __name__).__all__}
        globals()[name] = sorted(names)
    elif name not in _HOMES and _find_spec(f"{__name__}.{name}"):
        return _import_module(f".{name}", __name__)
    elif not name.startswith("__"):
        _import_module(f".{_HOMES.get(name, 'protocol')}", __name__)
        _publish()
    try:
        return globals()[name]
    except KeyError:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message) from None


def _publish() -> None:
    """Let what is loaded live here: reprs, tracebacks and pickles say realtime_sync."""
    for home in (*_EXPORTS, "protocol"):
        module = _sys.modules.get(f"{__name__}.{home}")
        for name in _EXPORTS.get(home) or getattr(module, "__all__", ()):
            if hasattr(module, name):  # not while the module is being imported
                value = globals()[name] = getattr(module, name)
                if isinstance(value, type):
                    value.__module__ = __name__


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__")})
