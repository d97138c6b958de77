"""Another model behind the emulator: a function of yours answers what was heard."""

import json

from realtime_sync import RealtimeClient
from realtime_sync.emulator import RealtimeEmulator, Reply, Turn, call


MENU = {"soup": 4, "bread": 2}


def waiter(turn: Turn) -> Reply:
    """Stand in for a language model: `turn.messages()` is what one would be given."""
    if turn.last_output is not None:
        return Reply(f"That is {turn.last_output} euros. Enjoy your meal!")
    dishes = [dish for dish in MENU if dish in turn.heard.lower()]
    if not dishes:
        return Reply(f"We have {' and '.join(MENU)}.")
    return Reply(function_calls=[call("add_up", dishes=dishes)])


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
