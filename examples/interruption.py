"""Interrupt an answer that is being played: stop it, and cut it to what was heard."""

from realtime_sync import RealtimeClient
from realtime_sync.audio import duration_ms


client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
with client.connect() as connection:
    connection.create_item(
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "One two three four five six."}],
        }
    )
    played_ms = 0
    with connection.create_response() as response:
        for piece in response.audio(timeout=60):
            played_ms += duration_ms(piece)  # a loudspeaker would take as long
            if played_ms >= 300:
                break  # leaving the block cancels what was not generated yet
    result = response.result(timeout=60)
    print("generated:", duration_ms(result.audio), "ms,", result.status)

    # The model believes that it was heard to the end, unless it is told.
    connection.truncate_item(result.items[0].id, audio_end_ms=played_ms)
    print("heard:", connection.conversation.items[-1].audio_end_ms, "ms")
