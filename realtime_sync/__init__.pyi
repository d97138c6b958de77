# The names that `__init__.py` offers, for type checkers.

from ._asking.answer_stream import (
    AnswerStream as AnswerStream,
)
from ._connection.stats import (
    ConnectionStats as ConnectionStats,
)
from ._log_fields import (
    FlaskFields as FlaskFields,
    LogFields as LogFields,
)
from ._responses.server_responses import (
    ServerResponses as ServerResponses,
)
from .batch import (
    Batch as Batch,
    BatchOptions as BatchOptions,
    BatchProgress as BatchProgress,
    ItemResult as ItemResult,
    ask_many as ask_many,
    run_many as run_many,
    transcribe_many as transcribe_many,
)
from .client import (
    RealtimeClient as RealtimeClient,
)
from .connection import (
    RealtimeConnection as RealtimeConnection,
    TranscriptionConnection as TranscriptionConnection,
    TranslationConnection as TranslationConnection,
)
from .control import (
    ControlClient as ControlClient,
    EphemeralKey as EphemeralKey,
    RealtimeCall as RealtimeCall,
)
from .conversation import (
    Conversation as Conversation,
    ConversationItem as ConversationItem,
    Loss as Loss,
    Restoration as Restoration,
    restoration as restoration,
    restore_events as restore_events,
)
from .errors import (
    AuthenticationError as AuthenticationError,
    ConnectError as ConnectError,
    ConnectionClosed as ConnectionClosed,
    ConnectionClosedError as ConnectionClosedError,
    ConnectionClosedOK as ConnectionClosedOK,
    ConnectionLost as ConnectionLost,
    ControlError as ControlError,
    DecodeError as DecodeError,
    HandshakeError as HandshakeError,
    LocalProtocolError as LocalProtocolError,
    ProtocolError as ProtocolError,
    RealtimeError as RealtimeError,
    RemoteProtocolError as RemoteProtocolError,
    ResponseError as ResponseError,
    SendQueueFull as SendQueueFull,
    ServerError as ServerError,
    SessionExpired as SessionExpired,
    WebhookError as WebhookError,
)
from .functions import (
    FunctionContext as FunctionContext,
    FunctionResult as FunctionResult,
    FunctionRunner as FunctionRunner,
    NoResponse as NoResponse,
    function_tool as function_tool,
)
from .playback import (
    Interruption as Interruption,
    Playback as Playback,
)
from .protocol import *
from .reconnect import (
    Reconnected as Reconnected,
    ReconnectPolicy as ReconnectPolicy,
    SessionExpiring as SessionExpiring,
)
from .response_stream import (
    ResponseResult as ResponseResult,
    ResponseStream as ResponseStream,
)
from .telemetry import (
    Telemetry as Telemetry,
)
from .usage import (
    Prices as Prices,
    UsageTotals as UsageTotals,
)
from .webhooks import (
    IncomingCall as IncomingCall,
    RealtimeCallIncoming as RealtimeCallIncoming,
    SipHeader as SipHeader,
    UnknownWebhook as UnknownWebhook,
    parse_webhook as parse_webhook,
)

__version__: str
