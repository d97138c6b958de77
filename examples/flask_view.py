"""A Flask view that answers a question."""

from flask import Flask, request

from realtime_sync import RealtimeClient


app = Flask(__name__)
client = RealtimeClient.emulated()  # or RealtimeClient.from_environment()


@app.get("/ask")
def ask() -> str:
    return client.ask(request.args["q"], timeout=30).text
