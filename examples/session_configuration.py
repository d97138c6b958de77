"""What a session can be set to, at once or while it goes on."""

from realtime_sync import (
    AudioTranscription,
    RealtimeClient,
    RealtimeSession,
    ServerVad,
    SessionAudio,
    SessionAudioInput,
    SessionAudioOutput,
)


client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()
session = RealtimeSession(
    instructions="Answer in one short sentence.",
    audio=SessionAudio(
        input=SessionAudioInput(
            transcription=AudioTranscription(model="whisper-1"),
            turn_detection=ServerVad(threshold=0.6, silence_duration_ms=400),
        ),
        output=SessionAudioOutput(voice="marin"),
    ),
)
with client.connect(session=session) as connection:
    print("voice:", connection.session.audio.output.voice)
    # A mapping in wire form does as well. What it leaves out stays as it is.
    connection.update_session({"max_output_tokens": 500})
    print("instructions:", connection.session.instructions)
    print("at most:", connection.session.max_output_tokens, "tokens")
