"""TODO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Union

import attrs

from ._model import UNSET, Maybe, Model, UnknownObject


@attrs.frozen(kw_only=True, repr=False)
class FunctionTool(Model):
    """TODO."""

    type: ClassVar[str] = "function"

    name: Maybe[str] = UNSET
    description: Maybe[str] = UNSET
    parameters: Maybe[Mapping[str, Any]] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class McpToolFilter(Model):
    """TODO."""

    read_only: Maybe[bool] = UNSET
    tool_names: Maybe[Sequence[str]] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class McpRequireApproval(Model):
    """TODO."""

    always: Maybe[McpToolFilter] = UNSET
    never: Maybe[McpToolFilter] = UNSET


@attrs.frozen(kw_only=True, repr=False)
class McpTool(Model):
    """TODO."""

    type: ClassVar[str] = "mcp"

    server_label: str
    allowed_callers: Maybe[Sequence[str]] = UNSET
    allowed_tools: Maybe[Union[Sequence[str], McpToolFilter]] = UNSET
    authorization: Maybe[str] = UNSET
    connector_id: Maybe[str] = UNSET
    defer_loading: Maybe[bool] = UNSET
    headers: Maybe[Mapping[str, str]] = UNSET
    require_approval: Maybe[Union[str, McpRequireApproval]] = UNSET
    server_description: Maybe[str] = UNSET
    server_url: Maybe[str] = UNSET
    tunnel_id: Maybe[str] = UNSET


Tool = Union[FunctionTool, McpTool, UnknownObject]


@attrs.frozen(kw_only=True, repr=False)
class ToolChoiceFunction(Model):
    """TODO."""

    type: ClassVar[str] = "function"

    name: str


@attrs.frozen(kw_only=True, repr=False)
class ToolChoiceMcp(Model):
    """TODO."""

    type: ClassVar[str] = "mcp"

    server_label: str
    name: Maybe[str] = UNSET


ToolChoice = Union[str, ToolChoiceFunction, ToolChoiceMcp, UnknownObject]
