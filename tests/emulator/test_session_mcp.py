"""Tools of MCP servers, which the service runs by itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from emulated import Client, Json, error, of_type, one, said, types

from realtime_sync.emulator import Reply, call_mcp
from realtime_sync.emulator._mcp import make_servers


DOCS = {"type": "mcp", "server_label": "docs", "server_url": "https://docs.test/mcp"}
OPEN = {**DOCS, "require_approval": "never"}


def search(query: str) -> str:
    """Search the documentation."""
    return f"Three pages on {query}."


def burn(page: int) -> str:
    """Burn a page."""
    raise RuntimeError(f"page {page} does not burn")


def client_of(*tools: Json, **options: Any) -> Client:
    """Return a client whose session has declared *tools*, and writes."""
    client = Client(mcp_servers=make_servers({"docs": [search, burn]}), **options)
    client.update(tools=list(tools), output_modalities=["text"])
    return client


def listed(events: list[Json]) -> list[str]:
    """Return the names of the tools that were listed in *events*."""
    items = [event["item"] for event in of_type(events, "conversation.item.done")]
    lists = [item for item in items if item["type"] == "mcp_list_tools"]
    return [tool["name"] for each in lists for tool in each["tools"]]


class TestListing:
    def test_events(self) -> None:
        """The tools of a server are in its item once they were listed."""
        client = client_of(DOCS)
        done = client.events[-1]

        assert [
            "session.updated",
            "conversation.item.added",
            "mcp_list_tools.in_progress",
            "mcp_list_tools.completed",
            "conversation.item.done",
        ] == types(client.events)[-5:]
        assert {
            "name": "search",
            "description": "Search the documentation.",
            "annotations": None,
            "input_schema": {
                "type": "object",
                "properties": {"query": {"type": "string"}},
                "required": ["query"],
                "additionalProperties": False,
            },
        } == done["item"]["tools"][0]

    def test_nobody_is_there(self) -> None:
        """A server that there is not fails to list its tools."""
        client = client_of({**DOCS, "server_label": "other"})

        assert ["mcp_list_tools.in_progress", "mcp_list_tools.failed"] == types(
            client.events
        )[-2:]

    @pytest.mark.parametrize(
        "allowed", [["search"], {"tool_names": ["search"]}], ids=["names", "filter"]
    )
    def test_allowed_tools(self, allowed: object) -> None:
        """Only the tools that are allowed are listed."""
        client = client_of({**DOCS, "allowed_tools": allowed})

        assert ["search"] == listed(client.events)

    def test_once(self) -> None:
        """A server that is declared again as it was is not asked again."""
        client = client_of(DOCS)

        assert ["session.updated"] == types(client.update(tools=[DOCS]))

    def test_of_a_response(self) -> None:
        """A server may be declared for one response."""
        client = client_of()
        answers = client.send("response.create", response={"tools": [OPEN]})

        assert ["search", "burn"] == listed(answers)

    def test_without_a_place(self) -> None:
        """A server has to be somewhere."""
        answers = Client().update(tools=[{"type": "mcp", "server_label": "docs"}])

        assert "session.tools[0].server_url" == error(answers)["param"]


class TestCall:
    def test_events(self) -> None:
        """A call runs when its response is made, and its item holds the output."""
        client = client_of(OPEN)
        client.write("Search for whales.")
        answers = client.send("response.create")
        item = of_type(answers, "conversation.item.done")[-1]["item"]

        assert [
            "response.created",
            "rate_limits.updated",
            "response.output_item.added",
            "conversation.item.added",
            "response.mcp_call_arguments.delta",
            "response.mcp_call_arguments.done",
            "response.output_item.done",
            "response.mcp_call.in_progress",
            "response.done",
            "response.mcp_call.completed",
            "conversation.item.done",
        ] == types(answers)
        assert ("docs", "search") == (item["server_label"], item["name"])
        assert "Three pages on Search for whales.." == item["output"]
        assert item["id"] == one(answers, "response.mcp_call.completed")["item_id"]

    def test_output_is_answered(self) -> None:
        """What the tool gave is what the next response is about."""
        client = client_of(OPEN)
        client.write("Search for whales.")
        client.send("response.create")
        answers = client.send("response.create")

        assert ["Three pages on Search for whales.."] == list(said(answers))

    @pytest.mark.parametrize(
        ("call", "kind", "message"),
        [
            (call_mcp("docs", "burn", page=7), "tool_execution_error", "page 7 does"),
            (call_mcp("docs", "paint"), "protocol_error", "Unknown tool: paint"),
            (call_mcp("docs", "search"), "tool_execution_error", "missing 1 required"),
        ],
    )
    def test_failure(self, call: Any, kind: str, message: str) -> None:
        """A call that fails says so in its item."""
        client = client_of(OPEN, replies=lambda turn: Reply(mcp_calls=[call]))
        answers = client.send("response.create")
        item = of_type(answers, "conversation.item.done")[-1]["item"]

        assert one(answers, "response.mcp_call.failed")["item_id"] == item["id"]
        assert kind == item["error"]["type"]
        assert message in item["error"]["message"]

    def test_choice(self) -> None:
        """The client may choose the tool."""
        client = client_of(OPEN)
        client.write("Hello.")
        choice = {"type": "mcp", "server_label": "docs", "name": "search"}
        answers = client.send("response.create", response={"tool_choice": choice})

        assert (
            "search" == one(answers, "response.done")["response"]["output"][0]["name"]
        )

    def test_choice_of_a_server(self) -> None:
        """The client may choose the server alone."""
        client = client_of(OPEN)
        client.write("Hello.")
        choice = {"type": "mcp", "server_label": "docs"}
        answers = client.send("response.create", response={"tool_choice": choice})

        assert (
            "search" == one(answers, "response.done")["response"]["output"][0]["name"]
        )

    def test_out_of_band(self) -> None:
        """A response beside the conversation leaves no call in it."""
        client = client_of(OPEN)
        client.write("Search for whales.")
        answers = client.send("response.create", response={"conversation": "none"})

        assert "response.mcp_call.completed" == answers[-1]["type"]
        assert [] == of_type(answers, "conversation.item.added")

    def test_cut_call_does_not_run(self) -> None:
        """A call that the limit of tokens cut is not run."""
        client = client_of(OPEN)
        client.write("Search for whales.")
        answers = client.send("response.create", response={"max_output_tokens": 1})

        assert "incomplete" == one(answers, "response.done")["response"]["status"]
        assert [] == of_type(answers, "response.mcp_call.in_progress")


class TestApproval:
    @pytest.fixture(name="client")
    def _client(self) -> Client:
        """A client that was asked whether a call may run."""
        client = client_of(DOCS)
        client.write("Search for whales.")
        client.send("response.create")
        return client

    def request(self, client: Client) -> Json:
        events = of_type(client.events, "conversation.item.done")
        item: Json = events[-1]["item"]
        assert "mcp_approval_request" == item["type"]
        return item

    def answer(self, client: Client, approve: bool, **fields: object) -> list[Json]:
        item = {
            "type": "mcp_approval_response",
            "id": "answer",
            "approval_request_id": self.request(client)["id"],
            "approve": approve,
            **fields,
        }
        return client.send("conversation.item.create", item=item)

    def test_request(self, client: Client) -> None:
        """A call that needs an approval waits for it, and the response does not."""
        request = self.request(client)

        assert ("docs", "search") == (request["server_label"], request["name"])
        assert {"query": "Search for whales."} == json.loads(request["arguments"])
        assert "response.done" == client.events[-1]["type"]
        assert [] == of_type(client.events, "response.mcp_call.in_progress")

    def test_approved(self, client: Client) -> None:
        """An approved call runs, and its item names the approval."""
        request = self.request(client)
        answers = self.answer(client, True)
        item = answers[-1]["item"]

        assert [
            "conversation.item.added",
            "conversation.item.done",
            "response.mcp_call.in_progress",
            "response.mcp_call.completed",
            "conversation.item.done",
        ] == types(answers)
        assert request["id"] == item["approval_request_id"]
        assert "Three pages on Search for whales.." == item["output"]

    def test_denied(self, client: Client) -> None:
        """A call that is not approved fails, for the reason that was given."""
        answers = self.answer(client, False, reason="too wet")

        assert "response.mcp_call.failed" in types(answers)
        assert "Not approved: too wet" == answers[-1]["item"]["error"]["message"]

    def test_answer_is_about_the_call(self, client: Client) -> None:
        """After the approval the next response reads out what the tool gave."""
        self.answer(client, True)

        assert ["Three pages on Search for whales.."] == list(
            said(client.send("response.create"))
        )

    def test_twice(self, client: Client) -> None:
        """A request is answered once."""
        request = self.request(client)
        self.answer(client, True)
        item = {
            "type": "mcp_approval_response",
            "id": "again",
            "approval_request_id": request["id"],
            "approve": True,
        }
        answers = client.send("conversation.item.create", item=item)

        assert "item.approval_request_id" == error(answers)["param"]

    def test_for_some_tools(self) -> None:
        """Approval may be wanted for all tools but some."""
        rule = {"never": {"tool_names": ["search"]}}
        client = client_of({**DOCS, "require_approval": rule})
        client.write("Search for whales.")

        assert "response.mcp_call.completed" in types(client.send("response.create"))


def test_functions_have_to_be_tools() -> None:
    """What no model could call is refused when it is given."""
    with pytest.raises(TypeError):
        make_servers({"docs": [lambda *everything: ""]})
