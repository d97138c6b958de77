"""Which upgrades are admitted, and how the others are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sockets import GA, peer_of, quick
from websockets.exceptions import ConnectionClosed, InvalidStatus


PREVIEW = "/openai/realtime?api-version=2025-04-01-preview&deployment=mine"
OPENAI = "/v1/realtime?model=gpt-realtime"


def refusal(path: str, headers: Any = None, **options: Any) -> tuple[int, Any, Any]:
    """Return the status, the JSON and the headers with which *path* is refused."""
    with (
        quick(**options) as emulator,
        pytest.raises(InvalidStatus) as caught,
        peer_of(emulator, path, additional_headers=headers),
    ):
        pass
    response = caught.value.response
    return response.status_code, json.loads(response.body or b"null"), response.headers


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/openai/v1/realtime", 400, "OperationNotSupported"),
        ("/openai/v1/realtime?api-version=2025-04-01-preview&model=m", 401, "401"),
        ("/openai/realtime?deployment=mine", 404, "404"),
        (
            "/openai/realtime?api-version=2025-04-01-preview",
            400,
            "OpperationNotSupported",
        ),
        ("/openai/realtime?api-version=2024-10-21&deployment=m", 400, "BadRequest"),
        (
            "/openai/realtime?api-version=2024-10-01-preview&deployment=m",
            400,
            "BadRequest",
        ),
        ("/openai/deployments/mine/realtime?api-version=x", 404, "404"),
        ("/", 404, "404"),
        ("/v1/realtime", 400, "missing_model"),
        ("/v1/realtime/translations", 400, "missing_model"),
    ],
)
def test_url(path: str, status: int, code: str) -> None:
    """A wrong URL is answered as the service would."""
    actual, body, _ = refusal(path)

    assert (status, code) == (actual, body["error"]["code"])
    assert body["error"]["message"]


class TestKeys:
    @pytest.mark.parametrize("path", [GA, PREVIEW])
    @pytest.mark.parametrize(
        "headers",
        [
            {"api-key": "good"},
            {"Authorization": "Bearer good"},
            {"api-key": "bad", "Authorization": "Bearer good"},
        ],
    )
    def test_azure(self, path: str, headers: dict[str, str]) -> None:
        """Azure takes a key in either header."""
        with (
            quick(api_keys=["good"]) as emulator,
            peer_of(emulator, path, additional_headers=headers) as peer,
        ):
            assert "session.created" == peer.receive()["type"]

    def test_query(self) -> None:
        """Azure takes a key in the query."""
        with (
            quick(api_keys=["good"]) as emulator,
            peer_of(emulator, f"{GA}&api-key=good") as peer,
        ):
            assert "session.created" == peer.receive()["type"]

    @pytest.mark.parametrize("headers", [None, {"api-key": "bad"}])
    def test_wrong(self, headers: dict[str, str] | None) -> None:
        """A wrong key is refused with 401."""
        status, body, _ = refusal(GA, headers, api_keys=["good"])

        assert (401, "401") == (status, body["error"]["code"])
        assert "invalid subscription key" in body["error"]["message"]

    def test_openai(self) -> None:
        """OpenAI says so in other words, and knows no such header."""
        status, body, _ = refusal(OPENAI, {"api-key": "good"}, api_keys=["good"])

        assert (401, "invalid_api_key") == (status, body["error"]["code"])

    def test_browser(self) -> None:
        """A browser gives its key as a subprotocol, and gets one back."""
        offered = ["realtime", "openai-insecure-api-key.good"]
        with (
            quick(api_keys=["good"]) as emulator,
            peer_of(emulator, OPENAI, subprotocols=offered) as peer,
        ):
            assert "realtime" == peer.socket.subprotocol
            assert "good" not in repr(emulator.wait_for_session().headers)

    def test_any(self) -> None:
        """Unless keys are given, none is needed."""
        with quick() as emulator, peer_of(emulator) as peer:
            assert "session.created" == peer.receive()["type"]


class TestDeployments:
    def test_azure(self) -> None:
        """A deployment that does not exist is not found."""
        status, body, _ = refusal(GA, deployments=["other"])

        assert (404, "DeploymentNotFound") == (status, body["error"]["code"])

    def test_openai(self) -> None:
        """Nor is a model."""
        status, body, _ = refusal(OPENAI, deployments=["other"])

        assert (404, "model_not_found") == (status, body["error"]["code"])

    def test_known(self) -> None:
        """One that is listed is."""
        with quick(deployments=["gpt-realtime"]) as emulator, peer_of(emulator) as peer:
            assert "session.created" == peer.receive()["type"]


class TestIds:
    def test_refusal(self) -> None:
        """Support finds a refused request by its ids."""
        _, _, headers = refusal("/", {"x-ms-client-request-id": "mine"})

        assert "mine" == headers["x-ms-client-request-id"]
        assert headers["apim-request-id"]
        assert headers["x-request-id"]

    def test_upgrade(self) -> None:
        """And one that was admitted too."""
        headers = {"x-ms-client-request-id": "mine"}
        with (
            quick() as emulator,
            peer_of(emulator, additional_headers=headers) as peer,
        ):
            assert peer.socket.response is not None
            answer = peer.socket.response.headers

        assert "mine" == answer["x-ms-client-request-id"]
        assert answer["apim-request-id"]


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        (GA, {"OpenAI-Beta": "realtime=v1"}, "beta_api_shape_disabled"),
        (OPENAI, {"OpenAI-Beta": "realtime=v1"}, "beta_api_shape_disabled"),
        ("/v1/realtime?intent=singing", {}, "invalid_intent"),
        ("/v1/realtime?intent=transcription&model=m", {}, "invalid_parameter"),
    ],
)
def test_refused_inside(path: str, headers: dict[str, str], code: str) -> None:
    """Some mistakes are told by an error event and close code 4000."""
    with (
        quick() as emulator,
        peer_of(emulator, path, additional_headers=headers) as peer,
    ):
        event = peer.receive()
        with pytest.raises(ConnectionClosed) as caught:
            peer.receive()

    assert code == event["error"]["code"]
    assert caught.value.rcvd is not None
    assert (4000, f"invalid_request_error.{code}") == (
        caught.value.rcvd.code,
        caught.value.rcvd.reason,
    )


def test_preview_takes_the_beta_header() -> None:
    """The preview endpoint does not mind the header of the preview."""
    with quick() as emulator:
        headers = {"OpenAI-Beta": "realtime=v1"}
        with peer_of(emulator, PREVIEW, additional_headers=headers) as peer:
            assert "session.created" == peer.receive()["type"]
