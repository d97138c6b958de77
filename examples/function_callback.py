"""A function call without any help: answered by a callback on the reader thread."""

import json
import queue

from realtime_sync import FunctionCall, RealtimeClient, ResponseDone


WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}

client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
with client.connect(
    session={"tools": [WEATHER], "output_modalities": ["text"]}
) as connection:
    answers = queue.Queue()

    @connection.on(ResponseDone)
    def run_functions(event: ResponseDone) -> None:
        calls = [
            item
            for item in event.response.output or ()
            if isinstance(item, FunctionCall)
        ]
        for call in calls:
            print("call:", call.name, json.loads(call.arguments))
            output = {"weather": "sunny", "celsius": 21}
            connection.create_item(
                {
                    "type": "function_call_output",
                    "call_id": call.call_id,
                    "output": json.dumps(output),
                }
            )
        if calls:
            # A callback may wait: it reads on by itself until the answer is complete.
            answers.put(connection.create_response().result(timeout=60).text)

    connection.ask("What is the weather in Oslo?")
    print("answer:", answers.get(timeout=60))
