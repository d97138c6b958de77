"""
What the model may call: your own functions, and tools of MCP servers.

A tool is declared in a session or a response. Which of them the model uses is its own
choice, within a `ToolChoice`. The calls themselves are items: `FunctionCall` for the
client to run and answer, `McpCall` for what the service has run by itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import attrs

from ._model import UNSET, Maybe, Model, UnknownObject, hide
from .vocabularies import AllowedCaller, ApprovalPolicy, ConnectorId, ToolChoiceMode


__all__ = [
    "FunctionTool",
    "McpRequireApproval",
    "McpTool",
    "McpToolFilter",
    "Tool",
    "ToolChoice",
    "ToolChoiceFunction",
    "ToolChoiceMcp",
]


@attrs.frozen(kw_only=True, repr=False, eq=False)
class FunctionTool(Model):
    """
    A function of the client that the model may ask it to run.

    Attributes:
        name: The name by which the model calls it.
        description: What it does and when to use it, in words for the model.
        parameters: JSON schema of the object that the arguments form.
    """

    type: ClassVar[str] = "function"

    name: Maybe[str] = UNSET
    description: Maybe[str] = UNSET
    parameters: Maybe[Mapping[str, Any]] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class McpToolFilter(Model):
    """
    Picks some of the tools of an MCP server.

    Attributes:
        tool_names: Names of the tools that are meant.
        read_only: True means the tools that are marked as changing nothing.
    """

    tool_names: Maybe[Sequence[str]] = UNSET
    read_only: Maybe[bool] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class McpRequireApproval(Model):
    """
    Which tools of an MCP server run only after the user has agreed.

    Attributes:
        always: Tools whose every call needs an `McpApprovalResponse`.
        never: Tools that run at once.
    """

    always: Maybe[McpToolFilter] = UNSET
    never: Maybe[McpToolFilter] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class McpTool(Model):
    """
    The tools of a remote MCP server, which the service calls by itself.

    The server is named by one of *server_url*, *connector_id* and *tunnel_id*.

    Attributes:
        server_label: Your name for the server. Items that concern it repeat it.
        server_url: Where it listens.
        connector_id: A server that the service runs, instead of a URL.
        tunnel_id: A server in a private network, reached through a tunnel.
        server_description: What it offers, in words for the model.
        authorization: OAuth access token for the server. Never shown in reprs.
        headers: HTTP headers for the server, by name. Never shown in reprs.
        allowed_tools: The only tools to offer: their names, or a filter. All if unset.
        allowed_callers: Who may call them.
        require_approval: Which calls wait for the user: a policy for all, or filters.
        defer_loading: True leaves its tools out until the model looks for them.
    """

    type: ClassVar[str] = "mcp"

    server_label: str
    server_url: Maybe[str] = UNSET
    connector_id: Maybe[ConnectorId] = UNSET
    tunnel_id: Maybe[str] = UNSET
    server_description: Maybe[str] = UNSET
    authorization: Maybe[str] = attrs.field(default=UNSET, repr=hide)
    headers: Maybe[Mapping[str, str]] = attrs.field(default=UNSET, repr=hide)
    allowed_tools: Maybe[Sequence[str] | McpToolFilter] = UNSET
    allowed_callers: Maybe[Sequence[AllowedCaller]] = UNSET
    require_approval: Maybe[ApprovalPolicy | McpRequireApproval] = UNSET
    defer_loading: Maybe[bool] = UNSET


Tool = FunctionTool | McpTool | UnknownObject
"""Something that the model may call."""


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ToolChoiceFunction(Model):
    """
    Makes the model call one certain function.

    Attributes:
        name: The name of the function.
    """

    type: ClassVar[str] = "function"

    name: str


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ToolChoiceMcp(Model):
    """
    Makes the model call a tool of one certain MCP server.

    Attributes:
        server_label: The label under which the server was declared.
        name: The tool. If unset or null, the model picks one of the server's.
    """

    type: ClassVar[str] = "mcp"

    server_label: str
    name: Maybe[str] = UNSET


ToolChoice = ToolChoiceMode | ToolChoiceFunction | ToolChoiceMcp | UnknownObject
"""Whether the model may call a tool, or which one it must."""
