"""Two threads on one connection: each gets the answer to its own question."""

from concurrent.futures import ThreadPoolExecutor

from realtime_sync import RealtimeClient


client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
with client.connect() as connection, ThreadPoolExecutor() as pool:

    def ask(country: str) -> str:
        question = {"type": "input_text", "text": f"What is the capital of {country}?"}
        response = connection.create_response(
            {
                "conversation": "none",  # beside the conversation, so at the same time
                "output_modalities": ["text"],
                "input": [{"type": "message", "role": "user", "content": [question]}],
            }
        )
        return response.result(timeout=60).text

    for answer in pool.map(ask, ["Norway", "Kenya"]):
        print(answer)
