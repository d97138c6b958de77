"""What is logged about events, headers and URLs, and what never is."""

from __future__ import annotations

import base64
import json
import logging
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_sync._logging import (
    configure_logging,
    describe_event,
    log_event,
    redact_headers,
    redact_text,
    redact_url,
)
from realtime_sync.protocol.client_events import (
    ConversationItemCreate,
    InputAudioBufferAppend,
    ResponseCreate,
    SessionUpdate,
)
from realtime_sync.protocol.codec import decode_client_event, decode_server_event
from realtime_sync.protocol.items import InputText, Message
from realtime_sync.protocol.responses import ErrorDetails
from realtime_sync.protocol.server_events import (
    ErrorEvent,
    ResponseOutputAudioDelta,
    ResponseOutputTextDelta,
    UnknownEvent,
)
from realtime_sync.protocol.sessions import RealtimeSession
from realtime_sync.protocol.tools import McpTool


AUDIO = bytes(range(256)) * 20
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
SAMPLES = sorted((pathlib.Path(__file__).parent / "wire").rglob("*.json"))


def server_event(**payload: Any) -> Any:
    return decode_server_event(json.dumps(payload))


# Events


def test_audio_is_a_size() -> None:
    """Sent and received, with and without texts."""
    sent = InputAudioBufferAppend(audio=AUDIO, event_id="e1")
    received = ResponseOutputAudioDelta(
        response_id="r1", item_id="i1", output_index=0, content_index=0, delta=AUDIO
    )

    for content in (False, True):
        assert (
            "input_audio_buffer.append event_id=e1 audio=<5120 bytes>"
            == describe_event(sent, content=content)
        )
        assert (
            "response.output_audio.delta response_id=r1 item_id=i1 output_index=0 "
            "content_index=0 delta=<5120 bytes>"
        ) == describe_event(received, content=content)


def test_texts_are_sizes_unless_asked_for() -> None:
    """They are somebody's words; ids, numbers and kinds tell what goes on."""
    event = ResponseOutputTextDelta(
        response_id="r1", item_id="i1", output_index=0, content_index=0, delta="Hei du"
    )

    assert describe_event(event).endswith("content_index=0 delta=<6 characters>")
    assert describe_event(event, content=True).endswith('delta="Hei du"')


def test_nested_objects_stay_on_the_line() -> None:
    """With their type first, as on the wire."""
    event = ConversationItemCreate(
        item=Message(role="user", content=[InputText(text="Hei")])
    )

    assert (
        "conversation.item.create item={type=message role=user "
        "content=[{type=input_text text=<3 characters>}]}"
    ) == describe_event(event)


def test_absent_fields_are_left_out_and_null_is_not() -> None:
    """The difference matters on the wire."""
    assert "response.create" == describe_event(ResponseCreate())
    assert "response.create event_id=null" == describe_event(
        ResponseCreate(event_id=None)
    )


def test_an_error_is_told_in_full() -> None:
    """It is what the log is read for."""
    event = ErrorEvent(
        error=ErrorDetails(
            type="invalid_request_error", code="x", message="No such item.", param="p"
        )
    )

    line = describe_event(event)

    assert "message=No such item." in line
    assert "code=x" in line
    assert "param=p" in line


def test_mappings_in_wire_form_are_told_alike() -> None:
    """Wherever an event is accepted, a mapping is; its audio is base64."""
    audio = base64.b64encode(AUDIO).decode()

    assert "input_audio_buffer.append audio=<5120 bytes>" == (
        describe_event(
            {"audio": audio, "type": "input_audio_buffer.append"}, content=True
        )
    )
    assert "response.audio.delta delta=<1 bytes>" == describe_event(
        {"type": "response.audio.delta", "delta": "QQ=="}, content=True
    )
    assert "?" == describe_event({})


def test_unknown_events_are_told_by_their_payload() -> None:
    """Long words in them may be audio, so they are sizes."""
    payload = {
        "type": "future.event",
        "event_id": "e1",
        "chunk": base64.b64encode(AUDIO).decode(),
        "note": "some words",
        "level": 0.5,
        "on": True,
    }

    line = describe_event(UnknownEvent(payload=payload), content=True)

    assert (
        "future.event event_id=e1 chunk=<6828 characters> "
        'note="some words" level=0.5 on=true'
    ) == line


def test_unknown_fields_of_known_events_are_told() -> None:
    """They are data like any other."""
    event = server_event(type="input_audio_buffer.cleared", event_id="e", future_id="f")

    assert "future_id=f" in describe_event(event)


@pytest.mark.parametrize("content", [False, True])
def test_secrets_are_hidden_at_every_level(content: bool) -> None:
    """Whether they stand in a field for secrets, or look like one within a text."""
    tool = McpTool(
        server_label="s",
        authorization="s3cr3t",
        headers={"X-Key": "s3cr3t"},
    )
    events: list[Any] = [
        SessionUpdate(session=RealtimeSession(tools=[tool])),
        {"type": "x", "client_secret": {"value": "s3cr3t", "expires_at": 1}},
        {
            "type": "x",
            "session": {"api_key": "s3cr3t", "nested": [{"token": "s3cr3t"}]},
        },
        {"type": "x", "ApiKey": "s3cr3t", "Authorization": ["s3cr3t"]},
        {"type": "x", "message": "Incorrect API key provided: sk-s3cr3t***abcd."},
        {"type": "x", "text": "use Bearer s3cr3t please"},
        {"type": "x", "reason": f"token {JWT.replace('c2ln', 's3cr3t')} expired"},
        {"type": "x", "message": "Client secret ek_s3cr3t0123456 expired"},
        {"type": "x", "message": "s3cr3t".replace("s3cr3t", "0123456789abcdef" * 2)},
        {"type": "Bearer s3cr3t"},
    ]

    for event in events:
        line = describe_event(event, content=content)
        assert "s3cr3t" not in line
        assert "0123456789abcdef" not in line
        assert "eyJ" not in line


def test_a_line_is_one_line() -> None:
    """Nothing that arrives can begin a line of its own, not even by its names."""
    events: list[Any] = [
        {"type": "a\nb"},
        {"type": "a", "x\ny": 1},
        {"type": "a", "message": "b\r\nc\x1b[31m"},
    ]

    for event in events:
        assert describe_event(event, content=True).isprintable()


def test_a_line_is_bounded() -> None:
    """However much arrives."""
    event = {"type": "x", **{f"f{index}": "a b " * 1000 for index in range(1000)}}

    assert 1024 == len(describe_event(event))
    assert 4096 == len(describe_event(event, content=True))


def test_long_lists_and_probabilities_are_cut() -> None:
    """They would push out everything else, and spell out what was said."""
    event = {"type": "x", "ids": list(range(20)), "logprobs": [{"token": "Hei"}] * 3}

    assert "x ids=[0 1 2 3 4 5 6 7 …] logprobs=<3 items>" == describe_event(event)


def test_deep_nesting_is_cut() -> None:
    """A line is no place for it, and it could be endless."""
    event: dict[str, Any] = {"type": "x"}
    for _ in range(500):
        event = {"type": "x", "child": event}

    assert "…" in describe_event(event)


def texts(payload: Any) -> list[str]:
    """What somebody said or wrote, as far as names tell."""
    if isinstance(payload, list):
        return [text for item in payload for text in texts(item)]
    if not isinstance(payload, dict):
        return []
    words = ("text", "transcript", "instructions", "arguments", "output")
    own = [payload[word] for word in words if isinstance(payload.get(word), str)]
    nested = [text for item in payload.values() for text in texts(item)]
    return [text for text in own if len(text) > 8] + nested


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_event_has_a_line(path: pathlib.Path) -> None:
    """That begins with its type and holds no texts."""
    payload = json.loads(path.read_bytes())
    decode = decode_client_event if "client" in str(path) else decode_server_event
    event = decode(json.dumps(payload))

    line = describe_event(event)
    told = [text for text in texts(payload) if text in line]

    assert line.startswith(f"{payload['type']} ") or line == payload["type"]
    assert not told


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.text(max_size=8), children, max_size=3)
    ),
    max_leaves=10,
)


@settings(deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(["type", "audio", "delta", "extra", "é"]), JSON))
def test_no_payload_breaks_the_log(payload: dict[str, Any]) -> None:
    """A log that raises would end what it watches."""
    for event in (payload, UnknownEvent(payload=payload)):
        for content in (False, True):
            assert describe_event(event, content=content).isprintable()


def test_one_line_is_written_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    """With the mark of its direction, to the logger of the caller."""
    logger = logging.getLogger("realtime_sync.connection")
    caplog.set_level(logging.DEBUG, logger="realtime_sync")

    log_event(logger, ">", InputAudioBufferAppend(audio=b"1234"))
    log_event(logger, "<", {"type": "x", "text": "a b"}, content=True)

    assert (
        [
            ("realtime_sync.connection", logging.DEBUG, line)
            for line in (
                "> input_audio_buffer.append audio=<4 bytes>",
                '< x text="a b"',
            )
        ]
    ) == caplog.record_tuples


# Headers, URLs, texts


def test_only_headers_that_are_known_to_be_harmless_are_shown() -> None:
    """A gateway's key has any name, so names are allowed and not forbidden."""
    headers = {
        "api-key": "s3cr3t",
        "Authorization": "Bearer s3cr3t",
        "X-Gateway-Key": "s3cr3t",
        "Sec-WebSocket-Protocol": "openai-insecure-api-key.s3cr3t",
        "Set-Cookie": "s3cr3t",
        "User-Agent": "realtime-sync",
        "X-MS-Client-Request-Id": "id",
    }

    redacted = redact_headers(headers)

    assert list(headers) == list(redacted)
    assert {"REDACTED", "realtime-sync", "id"} == set(redacted.values())


def test_only_parameters_of_the_protocol_are_shown() -> None:
    """A gateway's own may be secrets."""
    url = "wss://u:s3cr3t@h:1/p?model=a%20b&sig=s3cr3t&x=#s3cr3t"

    assert "wss://h:1/p?model=a%20b&sig=REDACTED&x=REDACTED" == redact_url(url)


def test_texts_of_others_lose_what_was_sent() -> None:
    """The body of an error may repeat the header that it is about."""
    text = f"invalid key pa55word in header, also sk-abcdefgh and {JWT}"

    assert "invalid key <hidden> in header, also <hidden> and <hidden>" == redact_text(
        text, ["Bearer pa55word", "", "Bearer "]
    )


# AZURE_LOG_LEVEL


@pytest.fixture(name="logger", autouse=True)
def _logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("realtime_sync")
    before = logger.level, list(logger.handlers)
    logger.setLevel(logging.NOTSET)
    yield logger
    logger.setLevel(before[0])
    logger.handlers[:] = before[1]


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("debug", logging.DEBUG),
        ("VERBOSE", logging.DEBUG),
        (" Info ", logging.INFO),
        ("warning", logging.WARNING),
        ("error", logging.ERROR),
        ("critical", logging.CRITICAL),
    ],
)
def test_the_variable_sets_the_level(
    name: str, level: int, logger: logging.Logger
) -> None:
    """By the names that azure.core takes, in any case."""
    configure_logging({"AZURE_LOG_LEVEL": name})

    assert level == logger.level


def test_a_name_that_is_no_level_means_info(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    """As in azure.core, with a warning."""
    configure_logging({"AZURE_LOG_LEVEL": "loud"})

    assert logger.level == logging.INFO
    assert "'loud'" in caplog.text


def test_without_the_variable_nothing_changes(logger: logging.Logger) -> None:
    """Logging is the program's."""
    configure_logging({})
    configure_logging({"AZURE_LOG_LEVEL": ""})

    assert logger.level == logging.NOTSET
    assert [] == logger.handlers


def test_a_level_that_the_program_set_stays(logger: logging.Logger) -> None:
    """The program knows better than its environment."""
    logger.setLevel(logging.ERROR)

    configure_logging({"AZURE_LOG_LEVEL": "debug"})

    assert logger.level == logging.ERROR
    assert [] == logger.handlers


def test_configuring_again_adds_no_second_handler(logger: logging.Logger) -> None:
    """Every client does it."""
    for _ in range(3):
        configure_logging({"AZURE_LOG_LEVEL": "debug"})

    assert 1 == len(logger.handlers)


PROGRAM = """
import logging
{setup}
from realtime_sync._logging import configure_logging
configure_logging()
{later}
logging.getLogger("realtime_sync.connection").debug("a line")
"""


@pytest.mark.parametrize(
    ("setup", "later", "lines"),
    [
        ("", "", ["DEBUG realtime_sync.connection a line"]),
        ("logging.basicConfig(format='own %(message)s')", "", ["own a line"]),
        ("", "logging.basicConfig(format='own %(message)s')", ["own a line"]),
        (
            "",
            "logging.getLogger('realtime_sync').addHandler(logging.StreamHandler())",
            ["a line"],
        ),
        ("logging.getLogger('realtime_sync').setLevel('INFO')", "", []),
    ],
)
def test_lines_appear_once(setup: str, later: str, lines: list[str]) -> None:
    """On stderr, if the program has not set up logging; by its handlers, if it has."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(setup=setup, later=later)],
        env={"AZURE_LOG_LEVEL": "debug", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = result.stderr.splitlines()

    assert len(lines) == len(found)
    assert all(line.endswith(end) for line, end in zip(found, lines, strict=True))
    assert "" == result.stdout
