"""Another model behind the emulator: a function of yours answers what was heard."""

import json
from collections.abc import Iterator

from realtime_sync import RealtimeClient
from realtime_sync.emulator import RealtimeEmulator, Reply, Turn, call


MENU = {"soup": 4, "bread": 2}


def waiter(turn: Turn) -> Iterator[str | Reply]:
    """Stand in for a language model: `turn.messages()` is what one would be given."""
    if turn.last_output is not None:
        # As a model does that writes word by word: each sentence is spoken at once.
        yield f"That is {turn.last_output} euros. "
        yield "Enjoy your meal!"
        return
    dishes = [dish for dish in MENU if dish in turn.heard.lower()]
    if dishes:
        yield Reply(function_calls=[call("add_up", dishes=dishes)])
    else:
        yield f"We have {' and '.join(MENU)}."


with RealtimeEmulator(replies=waiter) as emulator:
    client = RealtimeClient(emulator.endpoint, "any-key", model="waiter")
    with client.connect(
        session={
            "type": "realtime",
            "tools": [{"type": "function", "name": "add_up", "parameters": {}}],
        }
    ) as connection:
        print(connection.ask("Good evening!").transcript)
        order = connection.ask("Soup and bread, please.")
        wanted = order.function_calls[0]
        total = sum(MENU[dish] for dish in json.loads(wanted.arguments)["dishes"])
        connection.create_item(
            {
                "type": "function_call_output",
                "call_id": wanted.call_id,
                "output": str(total),
            }
        )
        print(connection.create_response().result(timeout=60).transcript)
