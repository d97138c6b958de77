"""A worker of the deployment: ``gunicorn -c gunicorn.conf.py -b 127.0.0.1:8001``."""

from pathlib import Path


wsgi_app = "flask_app:app"
pythonpath = str(Path(__file__).resolve().parents[1])
raw_env = ["FLASK_PROXIES=1"]

# Each conversation takes one of these threads, and so does each request in progress.
worker_class = "gthread"
threads = 60
workers = 1

# Seconds in which conversations are closed when the worker is told to end.
graceful_timeout = 10
