"""
Items of a conversation that tools of MCP servers leave there.

The service talks to the servers by itself, so that the client has nothing to do, save
answering an `McpApprovalRequest`. A server takes part once an `McpTool` names it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import attrs

from ._model import UNSET, Maybe, Model, UnknownObject


__all__ = [
    "McpApprovalRequest",
    "McpApprovalResponse",
    "McpCall",
    "McpError",
    "McpHttpError",
    "McpListTools",
    "McpListToolsTool",
    "McpProtocolError",
    "McpToolExecutionError",
]


@attrs.frozen(kw_only=True, repr=False, eq=False)
class McpListToolsTool(Model):
    """
    One tool in the list that an MCP server gave.

    Attributes:
        name: Its name.
        input_schema: JSON schema of its arguments.
        description: What it does, in the server's words.
        annotations: Hints of the server, such as ``readOnlyHint``.
    """

    name: str
    input_schema: Maybe[Mapping[str, Any]] = UNSET
    description: Maybe[str] = UNSET
    annotations: Maybe[Mapping[str, Any]] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class McpListTools(Model):
    """
    The service has asked an MCP server for its tools.

    Attributes:
        server_label: The label of the server.
        tools: What it offers.
        id: The item's id, which the ``mcp_list_tools`` events name.
    """

    type: ClassVar[str] = "mcp_list_tools"

    server_label: str
    tools: Maybe[Sequence[McpListToolsTool]] = UNSET
    id: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class McpProtocolError(Model):
    """
    An MCP server answered with an error of the MCP protocol.

    Attributes:
        code: The JSON-RPC error code.
        message: The server's explanation.
    """

    type: ClassVar[str] = "protocol_error"

    code: Maybe[int] = UNSET
    message: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class McpToolExecutionError(Model):
    """
    A tool of an MCP server ran, and failed.

    Attributes:
        message: The tool's explanation.
    """

    type: ClassVar[str] = "tool_execution_error"

    message: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class McpHttpError(Model):
    """
    An MCP server was not reached, or refused the request.

    Attributes:
        code: The HTTP status.
        message: What went wrong.
    """

    type: ClassVar[str] = "http_error"

    code: Maybe[int] = UNSET
    message: Maybe[str] = UNSET


McpError = McpProtocolError | McpToolExecutionError | McpHttpError | UnknownObject
"""Why a call of an MCP tool failed."""


@attrs.frozen(kw_only=True, repr=False, eq=False)
class McpCall(Model):
    """
    The service has called a tool of an MCP server. There is nothing for you to do.

    Attributes:
        server_label: The label of the server.
        name: The tool.
        arguments: The arguments, a JSON object as text.
        id: The item's id.
        approval_request_id: The `McpApprovalRequest` that came before, if any.
        output: What the tool returned. None if it failed.
        error: Why it failed. None if it did not.
    """

    type: ClassVar[str] = "mcp_call"

    server_label: str
    name: str
    arguments: str
    id: Maybe[str] = UNSET
    approval_request_id: Maybe[str] = UNSET
    output: Maybe[str] = UNSET
    error: Maybe[McpError] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class McpApprovalRequest(Model):
    """
    The model wants to call an MCP tool that needs the user's consent.

    Answer it with an `McpApprovalResponse`.

    Attributes:
        server_label: The label of the server.
        name: The tool.
        arguments: The arguments that it would get, a JSON object as text.
        id: The item's id, which the answer names.
    """

    type: ClassVar[str] = "mcp_approval_request"

    server_label: str
    name: str
    arguments: str
    id: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class McpApprovalResponse(Model):
    """
    The user's answer to an `McpApprovalRequest`.

    Attributes:
        approval_request_id: The id of the request.
        approve: Whether the tool may run.
        reason: Why, or why not, in words for the model.
        id: The item's id.
    """

    type: ClassVar[str] = "mcp_approval_response"

    approval_request_id: str
    approve: bool
    reason: Maybe[str] = UNSET
    id: Maybe[str] = UNSET
