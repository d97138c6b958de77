"""
Servers of the Model Context Protocol, played by Python functions.

The service asks servers for their tools and runs calls by itself, with the client's
approval where it wants to be asked. So does the emulator, with functions of the test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from .._checks import Kind
from .._functions.schema import describe
from ..protocol import (
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpListTools,
    McpListToolsCompleted,
    McpListToolsFailed,
    McpListToolsInProgress,
    McpListToolsTool,
    McpProtocolError,
    McpRequireApproval,
    McpTool,
    McpToolExecutionError,
    McpToolFilter,
    ResponseMcpCallCompleted,
    ResponseMcpCallFailed,
    ResponseMcpCallInProgress,
)
from ._conversation import Entry
from ._core import Core
from ._errors import invalid_value


__all__ = ["McpDesk", "McpServers", "make_servers"]

McpServers = Mapping[str, Mapping[str, Callable[..., Any]]]
"""The tools of servers: functions by their names, by the labels of the servers."""

_FUNCTIONS = Kind(Iterable, "a list of functions")
_NO_SUCH_TOOL = -32602  # JSON-RPC: invalid parameters, as MCP says it of unknown tools


def make_servers(servers: Mapping[str, Iterable[Callable[..., Any]]]) -> McpServers:
    """
    Return *servers* with their functions by name.

    Raises:
        TypeError: A function could not be a tool, or they are not in lists by label.
    """
    Kind(Mapping, "a mapping of labels to lists of functions").check(
        "mcp_servers", servers
    )
    for label, functions in servers.items():
        _FUNCTIONS.check(f"mcp_servers[{label!r}]", functions)
    return {
        label: {describe(function).name: function for function in functions}
        for label, functions in servers.items()
    }


@attrs.define(eq=False)
class _Call:
    """A call that is on its way."""

    entry: Entry
    output_index: int

    @property
    def item(self) -> McpCall:
        item: McpCall = self.entry.item
        return item


class McpDesk:
    """
    The dealings of one session with MCP servers. Not thread-safe.

    Args:
        core: What the session's parts share.
        servers: The servers that there are.
        add: Puts an item into the conversation, and announces it.
        finalize: Announces that an item is finished.
        is_kept: Tells whether an item is in the conversation.
    """

    def __init__(
        self,
        core: Core,
        servers: McpServers,
        *,
        add: Callable[[Entry], None],
        finalize: Callable[[Entry], None],
        is_kept: Callable[[Entry], bool],
    ) -> None:
        self._core = core
        self._servers = servers
        self._add = add
        self._finalize = finalize
        self._is_kept = is_kept
        self._declared: dict[str, McpTool] = {}
        self._waiting: dict[str, _Call] = {}  # for approval, by the request's id

    # Tools

    def declare(self, tools: Iterable[Any]) -> None:
        """List the tools of the servers among *tools* that are new."""
        for tool in tools:
            label = getattr(tool, "server_label", "")
            if isinstance(tool, McpTool) and self._declared.get(label) != tool:
                self._declared[label] = tool
                self._list(tool)

    def _list(self, tool: McpTool) -> None:
        item_id = self._core.new_id("mcpl")
        item = McpListTools(id=item_id, server_label=tool.server_label, tools=[])
        entry = Entry(item)
        self._add(entry)
        self._core.emit(McpListToolsInProgress, item_id=item_id)
        functions = self._servers.get(tool.server_label)
        if functions is None:
            # Nobody is there; the session goes on without.
            self._core.emit(McpListToolsFailed, item_id=item_id)
            return
        entry.item = attrs.evolve(item, tools=list(_listed(functions, tool)))
        self._core.emit(McpListToolsCompleted, item_id=item_id)
        self._finalize(entry)

    # Calls

    def request(self, entry: Entry, output_index: int) -> None:
        """Run the call that the model made, or ask the client whether to."""
        call = _Call(entry, output_index)
        tool = self._declared.get(call.item.server_label)
        if tool is None or not _needs_approval(tool, call.item.name):
            self._run(call)
            return
        request_id = self._core.new_id("mcpr")
        self._waiting[request_id] = call
        request = Entry(
            McpApprovalRequest(
                id=request_id,
                server_label=call.item.server_label,
                name=call.item.name,
                arguments=call.item.arguments,
            )
        )
        self._add(request)
        self._finalize(request)

    def check_answer(self, answer: object) -> None:
        """
        Refuse an approval of what does not wait for one.

        Raises:
            RequestError: It was answered before, or never asked.
        """
        if isinstance(answer, McpApprovalResponse):
            wanted = answer.approval_request_id
            if wanted not in self._waiting:
                raise invalid_value(
                    "item.approval_request_id", wanted, sorted(self._waiting)
                )

    def answer(self, answer: object) -> None:
        """Do as the client decided; anything but an approval is none of this."""
        if not isinstance(answer, McpApprovalResponse):
            return
        call = self._waiting.pop(answer.approval_request_id)
        call.entry.item = attrs.evolve(
            call.item, approval_request_id=answer.approval_request_id
        )
        if answer.approve:
            self._run(call)
        else:
            reason = f": {answer.reason}" if answer.reason else ""
            self._fail(call, McpToolExecutionError(message=f"Not approved{reason}"))

    def _run(self, call: _Call) -> None:
        item = call.item
        self._core.emit(
            ResponseMcpCallInProgress, item_id=item.id, output_index=call.output_index
        )
        function = self._servers.get(item.server_label, {}).get(item.name)
        if function is None:
            message = f"Unknown tool: {item.name}"
            self._fail(call, McpProtocolError(code=_NO_SUCH_TOOL, message=message))
            return
        self._core.start_work(
            lambda: _as_text(function(**json.loads(item.arguments or "{}"))),
            lambda output: self._succeed(call, output),
            lambda exc: self._fail(call, McpToolExecutionError(message=str(exc))),
        )

    def _succeed(self, call: _Call, output: str) -> None:
        call.entry.item = attrs.evolve(call.item, output=output)
        self._end(call, ResponseMcpCallCompleted)

    def _fail(self, call: _Call, error: Any) -> None:
        call.entry.item = attrs.evolve(call.item, error=error)
        self._end(call, ResponseMcpCallFailed)

    def _end(self, call: _Call, event_class: Any) -> None:
        self._core.emit(
            event_class, item_id=call.item.id, output_index=call.output_index
        )
        # A response beside the conversation keeps its calls to itself.
        if self._is_kept(call.entry):
            self._finalize(call.entry)


def _as_text(output: object) -> str:
    return output if isinstance(output, str) else json.dumps(output, default=str)


def _listed(
    functions: Mapping[str, Callable[..., Any]], tool: McpTool
) -> Iterator[McpListToolsTool]:
    for name, function in functions.items():
        if not tool.allowed_tools or _is_meant(tool.allowed_tools, name):
            signature = describe(function)
            yield McpListToolsTool(
                name=name,
                description=signature.description,
                input_schema=signature.parameters,
                annotations=None,
            )


def _is_meant(names: Sequence[str] | McpToolFilter, name: str) -> bool:
    # Which functions only read is not known: a filter by that alone means all.
    if isinstance(names, McpToolFilter):
        return not names.tool_names or name in names.tool_names
    return name in names


def _needs_approval(tool: McpTool, name: str) -> bool:
    rule = tool.require_approval
    if isinstance(rule, McpRequireApproval):
        return not (rule.never and _is_meant(rule.never, name))
    return rule != "never"
