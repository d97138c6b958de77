"""
What is logged, in the way of Azure clients, and what is never logged.

The loggers are called ``realtime_sync`` and ``realtime_sync.…``. At DEBUG there is one
line for each event: ``>`` for sent, ``<`` for received, its type, its ids, and the
sizes of everything else. With ``logging_enable=True``, as on other Azure clients, the
line has the texts too. Audio is always a size. Keys and tokens appear at no level, so
what cannot be told from one is left out.

The environment variable ``AZURE_LOG_LEVEL`` sets the level of these loggers, unless the
program did. If the program has not set up any logging, the lines go to stderr.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import attrs

from ._log_fields import LogFields
from .protocol._model import UNSET, Model


__all__ = [
    "LOGGERS",
    "PUBLIC_HEADERS",
    "configure_logging",
    "describe_event",
    "log_event",
    "redact_headers",
    "redact_text",
    "redact_url",
]

_PACKAGE: Final = "realtime_sync"
LOGGERS: Final = tuple(
    f"{_PACKAGE}.{name}"
    for name in (
        "channel",
        "connection",
        "control",
        "dispatcher",
        "events",
        "functions",
        "opening",
        "playback",
        "reconnect",
        "recording",
    )
)
"""The loggers of connections. A filter does not reach below its logger."""

_fields: Final = LogFields()  # one, as `addFilter()` adds the same one only once
_LEVELS: Final = {
    "CRITICAL": logging.CRITICAL,
    "ERROR": logging.ERROR,
    "WARNING": logging.WARNING,
    "INFO": logging.INFO,
    "DEBUG": logging.DEBUG,
    "VERBOSE": logging.DEBUG,
}

_HIDDEN: Final = "<hidden>"
_REDACTED: Final = "REDACTED"  # the word that azure.core writes

# Whatever is not listed may be a secret: a gateway's key has any name.
PUBLIC_HEADERS: Final = frozenset(
    {
        "accept",
        "apim-request-id",
        "cache-control",
        "connection",
        "content-length",
        "content-type",
        "date",
        "host",
        "openai-processing-ms",
        "openai-version",
        "request-id",
        "retry-after",
        "retry-after-ms",
        "sec-websocket-extensions",
        "sec-websocket-version",
        "server",
        "strict-transport-security",
        "traceparent",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "www-authenticate",
        "x-ms-client-request-id",
        "x-ms-region",
        "x-ms-request-id",
        "x-request-id",
    }
)
_PARAMETERS: Final = frozenset(
    {"api-version", "call_id", "deployment", "intent", "model"}
)

# Fields that identify or classify; all other texts may be somebody's words.
_PLAIN: Final = re.compile(
    r"(^|_)(id|type|code|status|reason|model|voice|language|format)$"
    r"|^(object|role|phase|param|message|name|eagerness|output_modalities|modalities)$"
)
_SECRET: Final = re.compile(
    r"secret|authorization|password|api.?key|^headers$|(^|_)token$", re.IGNORECASE
)
_SECRET_TEXT: Final = re.compile(
    r"\b(?:sk|ek|rk|pk)[-_][\w*.-]{6,}"  # keys of OpenAI, also when partly masked
    r"|\beyJ[\w-]+\.[\w-]*\.?[\w-]*"  # JSON web tokens, those of Entra ID among them
    r"|\bBearer\s+\S+"
    r"|\b(?:[0-9a-fA-F]{32}|[0-9A-Za-z]{84})\b"  # keys of Azure, older and newer
)

_LINE_LIMIT: Final = 1024
_CONTENT_LINE_LIMIT: Final = 4096
_TEXT_LIMIT: Final = 256
_WORD_LIMIT: Final = 64  # base64 is one long word, as are data URLs
_ITEM_LIMIT: Final = 8
_DEPTH_LIMIT: Final = 8


def log_event(
    logger: logging.Logger,
    direction: Literal["<", ">"],
    event: Model | Mapping[str, Any],
    *,
    content: bool = False,
) -> None:
    """
    Write one line at DEBUG about an event.

    Nothing is checked here: call it only if the logger is enabled for DEBUG.

    Args:
        logger: Where to.
        direction: ``>`` for sent, ``<`` for received.
        event: The event, or a mapping in wire form.
        content: Whether the line may hold texts (``logging_enable``).
    """
    logger.debug("%s %s", direction, describe_event(event, content=content))


def describe_event(event: Model | Mapping[str, Any], *, content: bool = False) -> str:
    """
    Return an event as one line: no audio, no secrets, and no texts unless asked for.

    Args:
        event: The event, or a mapping in wire form.
        content: Whether the line may hold texts.

    Returns:
        At most 1,024 characters, or 4,096 with texts.
    """
    pairs = list(_pairs(event))
    kind = next((str(value) for name, value in pairs if name == "type"), "?")
    show = _Describer(content=content, audio_delta=kind.endswith("audio.delta"))
    fields = [
        f"{name}={show.value(name, value, 0)}"
        for name, value in pairs
        if name != "type"
    ]
    line = " ".join([redact_text(kind), *fields])
    if not line.isprintable():
        # A line break would begin a line that the library did not write.
        line = repr(line)[1:-1]
    limit = _CONTENT_LINE_LIMIT if content else _LINE_LIMIT
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers with every value replaced that is not known to be harmless."""
    return {
        name: value if name.lower() in PUBLIC_HEADERS else _REDACTED
        for name, value in headers.items()
    }


def redact_url(url: str) -> str:
    """Return a URL without user name, and with unknown parameters replaced."""
    parts = urlsplit(url)
    pairs = [
        (name, value if name in _PARAMETERS else _REDACTED)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    host = parts.netloc.rpartition("@")[2]
    query = urlencode(pairs, quote_via=quote)
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def redact_text(text: str, secrets: Iterable[str] = ()) -> str:
    """
    Return a text without what looks like a key or a token.

    Args:
        text: Such as the body of an error, which may repeat what was sent.
        secrets: Values of headers that were sent, known to be secrets.
    """
    for secret in secrets:
        bare = secret.removeprefix("Bearer ").strip()
        text = text.replace(bare, _HIDDEN) if bare else text
    return _SECRET_TEXT.sub(_HIDDEN, text)


def configure_logging(environ: Mapping[str, str] | None = None) -> None:
    """
    Let records have `LogFields`, and do what ``AZURE_LOG_LEVEL`` says.

    It may be called any time again.

    It takes the names of the levels in any case, and ``VERBOSE`` for DEBUG. A level
    that the program set on the logger ``realtime_sync`` stays.

    Args:
        environ: The variables, by default those of the process.
    """
    for logger_name in LOGGERS:
        logging.getLogger(logger_name).addFilter(_fields)
    name = (os.environ if environ is None else environ).get("AZURE_LOG_LEVEL", "")
    logger = logging.getLogger(_PACKAGE)
    if not name.strip() or logger.level != logging.NOTSET:
        return
    level = _LEVELS.get(name.strip().upper())
    logger.setLevel(logging.INFO if level is None else level)
    logger.addHandler(_StderrHandler())
    if level is None:
        logger.warning(
            "AZURE_LOG_LEVEL is %r, which is no level: INFO is used; levels are %s",
            name,
            ", ".join(_LEVELS),
        )


class _StderrHandler(logging.Handler):
    """Writes to stderr for as long as the program has no handler of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(
            logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
        )

    def emit(self, record: logging.LogRecord) -> None:
        own = logging.getLogger(_PACKAGE).handlers
        if logging.getLogger().handlers or own != [self]:
            return
        try:
            # The stream is looked up each time, as whoever captures it replaces it.
            sys.stderr.write(self.format(record) + "\n")
        except Exception:  # as every handler: a lost line must not stop the program
            self.handleError(record)


def _pairs(value: Model | Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the fields as they are on the wire, that of the type first."""
    if isinstance(value, Mapping):
        fields = dict(value)
        if "type" in fields:
            yield "type", fields.pop("type")
        yield from fields.items()
        return
    kind = getattr(value, "type", UNSET)
    if kind is not UNSET:
        yield "type", kind
    for field in attrs.fields(type(value)):
        item = getattr(value, field.name)
        if item is UNSET or field.name == "type":
            continue
        if field.name in ("extra", "payload") and isinstance(item, Mapping):
            yield from ((name, each) for name, each in item.items() if name != "type")
        else:
            yield field.name, item


@attrs.frozen(kw_only=True)
class _Describer:
    """Turns values into text; *audio_delta* tells what a raw ``delta`` is."""

    content: bool
    audio_delta: bool

    def value(self, name: str, value: object, depth: int) -> str:
        if _SECRET.search(name) and not isinstance(value, (bool, int, type(None))):
            return _HIDDEN
        if value is None:
            return "null"
        if isinstance(value, (bool, int, float)):
            return str(value).lower()
        if isinstance(value, str):
            return self._text(name, value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return f"<{memoryview(value).nbytes} bytes>"
        if depth >= _DEPTH_LIMIT:
            return "…"
        return self._nested(name, value, depth + 1)

    def _text(self, name: str, text: str) -> str:
        if name == "audio" or (name == "delta" and self.audio_delta):
            return f"<{len(text.rstrip('=')) * 3 // 4} bytes>"
        if _PLAIN.search(name):
            return self._shown(name, text)
        long_word = len(text) > _WORD_LIMIT and len(text.split(None, 1)) == 1
        if self.content and not long_word:
            return f'"{self._shown(name, text)}"'
        return f"<{len(text)} characters>"

    def _shown(self, name: str, text: str) -> str:
        # Ids may look like keys, which are 32 hexadecimal digits on Azure.
        if not name.endswith("id"):
            text = redact_text(text)
        return text if len(text) <= _TEXT_LIMIT else f"{text[:_TEXT_LIMIT]}…"

    def _nested(self, name: str, value: object, depth: int) -> str:
        if isinstance(value, Mapping) or attrs.has(type(value)):
            pairs = (
                f"{key}={self.value(str(key), item, depth)}"
                for key, item in _pairs(value)  # type: ignore[arg-type]
            )
            return f"{{{' '.join(pairs)}}}"
        if isinstance(value, (list, tuple)) and name != "logprobs":
            shown = [self.value(name, item, depth) for item in value[:_ITEM_LIMIT]]
            more = ["…"] if len(value) > _ITEM_LIMIT else []
            return f"[{' '.join(shown + more)}]"
        if isinstance(value, (list, tuple)):
            return f"<{len(value)} items>"
        return f"<{type(value).__name__}>"
