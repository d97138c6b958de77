"""Interrupt an answer that is being played: stop it, and cut it to what was heard."""

from realtime_sync import ConversationItemTruncated, RealtimeClient
from realtime_sync.audio import duration_ms


client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
with client.connect() as connection:
    playback = connection.playback
    connection.create_item(
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "One two three four five six."}],
        }
    )
    response = connection.create_response()
    played_ms = 0
    for chunk in playback.audio(timeout=60):
        played_ms += duration_ms(chunk)  # a loudspeaker would take as long
        if played_ms >= 300:
            break

    # What is still generated is cancelled. And the model believes that it was heard to
    # the end, unless it is told.
    truncated = connection.events(ConversationItemTruncated, timeout=60)
    print(connection.interrupt(played_ms=played_ms))
    print("heard:", next(truncated).audio_end_ms, "ms")
    result = response.result(timeout=60)
    print("generated:", duration_ms(result.audio), "ms,", result.status)
