"""
The names of spans, attributes and metrics.

Those that begin with ``gen_ai`` are OpenTelemetry's conventions for generative models
(https://opentelemetry.io/docs/specs/semconv/gen-ai/), which are in development; they
are written down here since the API package has none. What they have no name for begins
with ``realtime_sync``.
"""

from __future__ import annotations

from typing import Final


__all__ = [
    "ADDRESS",
    "ARGUMENTS",
    "CACHED_TOKENS",
    "CALL_ID",
    "CALL_RESULT",
    "CONNECTIONS",
    "CONNECTION_DURATION",
    "CONVERSATION",
    "DURATION",
    "DURATION_BUCKETS",
    "ERROR_TYPE",
    "FINISH_REASONS",
    "FIRST_AUDIO",
    "FIRST_CHUNK",
    "INPUT_MESSAGES",
    "INPUT_TOKENS",
    "INSTRUCTIONS",
    "OPERATION",
    "OUTPUT_MESSAGES",
    "OUTPUT_TOKENS",
    "OUTPUT_TYPE",
    "PORT",
    "PROVIDER",
    "RECONNECTS",
    "REQUEST_ID",
    "REQUEST_MODEL",
    "RESPONSE_ID",
    "RESPONSE_MODEL",
    "TOKEN_BUCKETS",
    "TOKEN_TYPE",
    "TOKEN_USAGE",
    "TOOL_NAME",
    "TOOL_TYPE",
]

# Attributes
ADDRESS: Final = "server.address"
PORT: Final = "server.port"
ERROR_TYPE: Final = "error.type"
OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
CONVERSATION: Final = "gen_ai.conversation.id"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_ID: Final = "gen_ai.response.id"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
OUTPUT_TYPE: Final = "gen_ai.output.type"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHED_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
TOKEN_TYPE: Final = "gen_ai.token.type"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
CALL_ID: Final = "gen_ai.tool.call.id"
REQUEST_ID: Final = "realtime_sync.client_request_id"

# Attributes that hold what people and models say
INSTRUCTIONS: Final = "gen_ai.system_instructions"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
ARGUMENTS: Final = "gen_ai.tool.call.arguments"
CALL_RESULT: Final = "gen_ai.tool.call.result"

# Metrics
DURATION: Final = "gen_ai.client.operation.duration"
TOKEN_USAGE: Final = "gen_ai.client.token.usage"
FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
FIRST_AUDIO: Final = "realtime_sync.response.time_to_first_audio"
CONNECTIONS: Final = "realtime_sync.connections"
CONNECTION_DURATION: Final = "realtime_sync.connection.duration"
RECONNECTS: Final = "realtime_sync.connection.reconnects"

# The boundaries that the conventions advise: seconds, and tokens.
DURATION_BUCKETS: Final = tuple(0.01 * 2**power for power in range(14))
TOKEN_BUCKETS: Final = tuple(4**power for power in range(14))
