"""TODO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Union

import attrs

from ._model import UNSET, Maybe, Model, UnknownObject


@attrs.frozen(kw_only=True, repr=False)
class PromptCacheBreakpoint(Model):
    """TODO."""

    mode: str


@attrs.frozen(kw_only=True, repr=False)
class InputText(Model):
    """TODO."""

    type: ClassVar[str] = "input_text"

    text: str
    prompt_cache_breakpoint: Maybe[PromptCacheBreakpoint] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class InputAudio(Model):
    """TODO."""

    type: ClassVar[str] = "input_audio"

    audio: Maybe[bytes] = UNSET
    transcript: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class InputImage(Model):
    """TODO."""

    type: ClassVar[str] = "input_image"

    image_url: Maybe[str] = UNSET
    detail: Maybe[str] = UNSET
    file_id: Maybe[str] = UNSET
    prompt_cache_breakpoint: Maybe[PromptCacheBreakpoint] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class InputFile(Model):
    """TODO."""

    type: ClassVar[str] = "input_file"

    detail: Maybe[str] = UNSET
    file_data: Maybe[str] = UNSET
    file_id: Maybe[str] = UNSET
    file_url: Maybe[str] = UNSET
    filename: Maybe[str] = UNSET
    prompt_cache_breakpoint: Maybe[PromptCacheBreakpoint] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class OutputText(Model):
    """TODO."""

    type: ClassVar[str] = "output_text"

    text: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class OutputAudio(Model):
    """TODO."""

    type: ClassVar[str] = "output_audio"

    audio: Maybe[bytes] = UNSET
    transcript: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class Text(Model):
    """TODO."""

    type: ClassVar[str] = "text"

    text: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class Audio(Model):
    """TODO."""

    type: ClassVar[str] = "audio"

    audio: Maybe[bytes] = UNSET
    transcript: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class ItemReference(Model):
    """TODO."""

    type: ClassVar[str] = "item_reference"

    id: str


ContentPart = Union[
    InputText,
    InputAudio,
    InputImage,
    InputFile,
    OutputText,
    OutputAudio,
    Text,
    Audio,
    ItemReference,
    UnknownObject,
]


@attrs.frozen(kw_only=True, repr=False)
class Message(Model):
    """TODO."""

    type: ClassVar[str] = "message"

    role: str
    content: Sequence[ContentPart]
    id: Maybe[str] = UNSET
    object: Maybe[str] = UNSET
    status: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class FunctionCall(Model):
    """TODO."""

    type: ClassVar[str] = "function_call"

    name: str
    arguments: str
    call_id: Maybe[str] = UNSET
    id: Maybe[str] = UNSET
    object: Maybe[str] = UNSET
    status: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class FunctionCallOutput(Model):
    """TODO."""

    type: ClassVar[str] = "function_call_output"

    call_id: str
    output: str
    id: Maybe[str] = UNSET
    object: Maybe[str] = UNSET
    status: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class McpListToolsTool(Model):
    """TODO."""

    name: str
    input_schema: Mapping[str, Any]
    annotations: Maybe[Mapping[str, Any]] = UNSET
    description: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class McpListTools(Model):
    """TODO."""

    type: ClassVar[str] = "mcp_list_tools"

    server_label: str
    id: Maybe[str] = UNSET
    tools: Maybe[Sequence[McpListToolsTool]] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class McpProtocolError(Model):
    """TODO."""

    type: ClassVar[str] = "protocol_error"

    code: Maybe[int] = UNSET
    message: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class McpToolExecutionError(Model):
    """TODO."""

    type: ClassVar[str] = "tool_execution_error"

    message: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class McpHttpError(Model):
    """TODO."""

    type: ClassVar[str] = "http_error"

    code: Maybe[int] = UNSET
    message: Maybe[str] = UNSET


McpError = Union[McpProtocolError, McpToolExecutionError, McpHttpError, UnknownObject]


@attrs.frozen(kw_only=True, repr=False)
class McpCall(Model):
    """TODO."""

    type: ClassVar[str] = "mcp_call"

    server_label: str
    name: str
    arguments: str
    id: Maybe[str] = UNSET
    approval_request_id: Maybe[str] = UNSET
    error: Maybe[McpError] = UNSET
    output: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class McpApprovalRequest(Model):
    """TODO."""

    type: ClassVar[str] = "mcp_approval_request"

    id: Maybe[str] = UNSET
    server_label: str
    name: str
    arguments: str


@attrs.frozen(kw_only=True, repr=False)
class McpApprovalResponse(Model):
    """TODO."""

    type: ClassVar[str] = "mcp_approval_response"

    approval_request_id: str
    approve: bool
    id: Maybe[str] = UNSET
    reason: Maybe[str] = UNSET


Item = Union[
    Message,
    FunctionCall,
    FunctionCallOutput,
    McpCall,
    McpListTools,
    McpApprovalRequest,
    McpApprovalResponse,
    ItemReference,
    UnknownObject,
]
