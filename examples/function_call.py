"""A spoken question, for whose answer the model calls a Python function."""

from typing import Literal

from realtime_sync import RealtimeClient
from realtime_sync.audio import Audio


def get_weather(city: str, unit: Literal["celsius", "fahrenheit"] = "celsius") -> dict:
    """
    Get the weather of a city.

    Args:
        city: The name of the city.
        unit: The unit of the temperature.
    """
    print("call: get_weather", {"city": city})
    return {"weather": "sunny", unit: 21}


client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
question = client.speak("What is the weather in Oslo?")
with client.connect(functions=[get_weather]) as connection:
    answer = connection.ask(question)
    print("answer:", answer.transcript)
    print(Audio(answer.audio))
