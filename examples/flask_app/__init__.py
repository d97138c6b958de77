"""
A page to talk with a model: ``python -m flask --app examples/flask_app run``.

Without settings it talks to an emulator in this process; with those of Azure OpenAI or
OpenAI in the environment, to the service. Users are ada (password lovelace) and grace
(password hopper); an application of yours asks its own.
"""

import os
from pathlib import Path

from flask import (
    Flask,
    Response,
    abort,
    current_app,
    flash,
    g,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.security import check_password_hash, generate_password_hash

from realtime_sync import RealtimeClient, ReconnectPolicy
from realtime_sync.flask import Limits, Realtime, Transcript
from realtime_sync.flask.views import answer_wav, client_secret, stream_text

from .keys import secret_key
from .stores import make_store


USERS = {
    "ada": generate_password_hash("lovelace"),
    "grace": generate_password_hash("hopper"),
}
APPOINTMENTS = {"ada": "tea with Charles at four", "grace": "a navy reunion at noon"}
SESSION = {
    "instructions": "You are a friendly voice. Answer in a sentence or two.",
    "audio": {"input": {"transcription": {"model": "whisper-1"}}},
}


def make_client() -> RealtimeClient:
    """Return a client of the service, or of an emulator where none is set up."""
    settings = {"session": SESSION, "reconnect": ReconnectPolicy()}
    if os.environ.get("AZURE_OPENAI_ENDPOINT") or os.environ.get("OPENAI_API_KEY"):
        return RealtimeClient.from_environment(**settings)
    return RealtimeClient.emulated(**settings)


app = Flask(__name__)
app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
app.config["MAX_CONTENT_LENGTH"] = 10 * 1024 * 1024  # of a question in a file
# FLASK_SECRET_KEY, FLASK_DATA_FOLDER, FLASK_REDIS_URL, FLASK_PROXIES
app.config.from_prefixed_env()
data = Path(app.config.get("DATA_FOLDER") or app.instance_path)
app.secret_key = app.secret_key or secret_key(data)
if proxies := app.config.get("PROXIES"):  # how many there are in front, which are ours
    app.wsgi_app = ProxyFix(
        app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies
    )
client = make_client()
realtime = Realtime(
    app,
    client,
    limits=Limits(sessions=50, sessions_per_user=3),
    store=make_store(app.config, data),
    show_tools=True,
)


# What the model may do


def get_weather(city: str) -> str:
    """
    Tell the weather of today.

    Args:
        city: The name of the city.
    """
    return f"{18 + len(city) % 9} degrees and sunny in {city}"


def get_appointments() -> str:
    """Tell which appointments the user has in the calendar today."""
    current_app.logger.info("%s looks at the calendar", g.realtime_user)
    return APPOINTMENTS.get(g.realtime_user, "nothing today")


# Who may talk, and what is kept of it


@realtime.authenticate
def user() -> str | None:
    return session.get("user")


@realtime.session
def settings(user: str) -> dict:
    words = f"{SESSION['instructions']} You talk with {user.title()}."
    return {**SESSION, "instructions": words}


@realtime.functions
def functions(user: str) -> list:
    return [get_weather, get_appointments]


@realtime.on_transcript
def note(transcript: Transcript) -> None:
    current_app.logger.debug("%s said something", transcript.role)


# Pages


@app.get("/")
def talk() -> str | Response:
    if "user" not in session:
        return redirect(url_for("login"))
    return render_template("talk.html", user=session["user"])


@app.route("/login", methods=["GET", "POST"])
def login() -> str | Response | tuple[str, int]:
    if request.method == "GET":
        return render_template("login.html")
    name = request.form.get("user", "").strip().lower()
    password = request.form.get("password", "")
    if not check_password_hash(USERS.get(name, USERS["ada"]), password) or (
        name not in USERS
    ):
        flash("That name and that password do not belong together.")
        return render_template("login.html", name=name), 401
    session["user"] = name
    return redirect(url_for("talk"))


@app.post("/logout")
def logout() -> Response:
    realtime.close_user(session.pop("user", ""))
    return redirect(url_for("login"))


@app.after_request
def harden(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = "default-src 'self'"
    response.headers["Permissions-Policy"] = "microphone=(self)"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


# The same without a socket: text in pieces, speech as a file, a key for WebRTC. An
# answer counts as a session for as long as it takes.


def ensure_user() -> str:
    return session.get("user") or abort(401)


@app.get("/ask")
def ask() -> Response:
    user = ensure_user()
    within = realtime.counting(user)
    question = request.args["q"]
    return stream_text(client, question, session=settings(user), within=within)


@app.post("/speak")
def speak() -> Response:
    within = realtime.counting(ensure_user())
    try:
        return answer_wav(client, request.files["question"].read(), within=within)
    except ValueError:
        abort(415, "The question has to be a WAV file.")


@app.post("/secret")
def secret() -> Response:
    user = ensure_user()
    with realtime.counting(user):
        return client_secret(client, settings(user), expires_after=60)
