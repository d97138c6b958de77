"""
The middle tier: a Flask application between browsers and the service.

::

    from flask import Flask, session
    from realtime_sync import RealtimeClient
    from realtime_sync.flask import Realtime

    app = Flask(__name__)
    realtime = Realtime(app, RealtimeClient.from_environment())

    @realtime.authenticate
    def user():
        return session.get("user")

`Realtime` bridges browsers and the model in the blocking server's own threads;
`realtime_sync.flask.views` has the answers of ordinary views. The extra is ``flask``.
"""

from __future__ import annotations

import importlib.util


if missing := [
    name for name in ("flask", "wsproto") if importlib.util.find_spec(name) is None
]:
    raise ImportError(
        f"the bridge needs {' and '.join(missing)}: pip install 'realtime_sync[flask]'"
    )

from ._codes import CloseCode
from ._extension import Realtime
from ._limits import Limits
from ._raw import RAW_CLIENT_EVENTS
from ._records import Transcript, UsageReport
from ._shutdown import listen_for_signals
from .stores import FileStore, MemoryStore, SnapshotStore


__all__ = [
    "RAW_CLIENT_EVENTS",
    "CloseCode",
    "FileStore",
    "Limits",
    "MemoryStore",
    "Realtime",
    "SnapshotStore",
    "Transcript",
    "UsageReport",
    "listen_for_signals",
]
