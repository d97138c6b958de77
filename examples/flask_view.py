"""A Flask view that streams a written answer while the model writes it."""

from flask import Flask, Response, request, stream_with_context

from realtime_sync import RealtimeClient


app = Flask(__name__)
client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()


@app.get("/ask")
def ask() -> Response:
    def answer():
        with client.connect(session={"output_modalities": ["text"]}) as connection:
            connection.create_item(
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": request.args["q"]}],
                }
            )
            yield from connection.create_response().text(timeout=60)

    return Response(stream_with_context(answer()), mimetype="text/plain")
