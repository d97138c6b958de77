"""The fixtures work in a test suite that is not this library's."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[1]

pytest_plugins = ["pytester"]

# Whether the library is installed or only importable, the plugin is loaded once.
_PLUGIN = ("-p", "no:realtime_sync", "-p", "realtime_sync.pytest_plugin")
_OTHERS = ("-p", "no:randomly", "-p", "no:cacheprovider", "--strict-markers")

_SUITE = """
import pytest

from realtime_sync import HandshakeError
from realtime_sync.emulator import Fault, ToneSpeech


def say(connection, text):
    return connection.ask(text).text


def test_keeps_what_it_received(realtime_emulator, realtime_client):
    audio = ToneSpeech().speak("Hello.")
    with realtime_client.connect() as connection:
        connection.update_session(
            {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
        )
        connection.append_input_audio(audio)
        connection.commit_input_audio()
        connection.create_response().result(timeout=60)
    session = realtime_emulator.sessions[0]

    assert session.input_audio == audio
    assert [item.role for item in session.items] == ["user", "assistant"]
    assert [event.type for event in session.client_events] == [
        "session.update",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "response.create",
    ]


@pytest.mark.realtime_emulator(replies=["One.", "Two."])
class TestMarkOfAClass:
    def test_counts(self, realtime_client):
        assert realtime_client.ask("Count.").text == "One."

    @pytest.mark.realtime_emulator(replies=["Uno."])
    def test_own_mark_wins(self, realtime_client):
        assert realtime_client.ask("Count.").text == "Uno."


@pytest.mark.realtime_emulator(
    tls=True, api_keys=["secret"], deployments=["mine"], faults=[Fault.http(429)]
)
def test_client_fits_the_emulator(realtime_emulator, realtime_client):
    with pytest.raises(HandshakeError):
        realtime_client.connect()

    assert realtime_emulator.endpoint.startswith("wss:")
    assert realtime_client.ask("Hello.").text == "Hello! How can I help you?"


def test_time_is_the_tests(realtime_clock, realtime_emulator, realtime_client):
    with realtime_client.connect() as connection:
        assert realtime_emulator.sessions[0].closed is None

        realtime_clock.advance(3_600)
        assert realtime_emulator.sessions[0].wait_closed()[0] == 1001


def test_a_new_emulator_for_each_test(realtime_emulator):
    assert realtime_emulator.sessions == []
"""


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let another process import the library as it is here, and no other plugins."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def test_fixtures(pytester: pytest.Pytester) -> None:
    """An emulator and its client, arguments by marks, records, and time to control."""
    pytester.makepyfile(_SUITE)
    result = pytester.runpytest_subprocess(*_PLUGIN, *_OTHERS)

    result.assert_outcomes(passed=6)


def test_mark_is_documented(pytester: pytest.Pytester) -> None:
    """`pytest --markers` tells of the mark, and `--fixtures` of the fixtures."""
    result = pytester.runpytest_subprocess(*_PLUGIN, *_OTHERS, "--markers")
    result.stdout.fnmatch_lines(["*pytest.mark.realtime_emulator(*arguments)*"])
    result = pytester.runpytest_subprocess(*_PLUGIN, *_OTHERS, "--fixtures")

    result.stdout.fnmatch_lines_random(
        ["realtime_clock*", "realtime_emulator*", "realtime_client*"]
    )


def test_wrong_arguments_are_told(pytester: pytest.Pytester) -> None:
    """Arguments that the emulator does not take fail the test with what is wrong."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.realtime_emulator(colour="blue")
        def test_unknown(realtime_emulator): pass

        @pytest.mark.realtime_emulator(["Hello!"])
        def test_without_a_name(realtime_emulator): pass

        @pytest.mark.realtime_emulator(api_keys="right")
        def test_of_a_wrong_type(realtime_client): pass
        """
    )
    result = pytester.runpytest_subprocess(*_PLUGIN, *_OTHERS)

    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines_random(
        [
            "*unexpected keyword argument 'colour'*",
            "*takes arguments by name, such as replies=*",
            "*api_keys is a list of keys, not str*",
        ]
    )


def test_is_an_entry_point() -> None:
    """The plugin is found by pytest where the library is installed."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")

    assert "realtime_sync = realtime_sync.pytest_plugin" == (
        config["options.entry_points"]["pytest11"].strip()
    )
