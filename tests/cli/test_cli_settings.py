"""Options, profiles and the environment: which of them decides."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from realtime_sync.cli._profiles import Profile, load_profile
from realtime_sync.cli._settings import Given, Service, choose_service


FILE = """
[default]
endpoint = "https://default.openai.azure.com"
model = "of-default"
voice = "marin"

[staging]
endpoint = "https://staging.openai.azure.com"
model = "of-staging"
key_env = "STAGING_KEY"

[keyed]
endpoint = "https://keyed.openai.azure.com"
key = "of-keyed"

[taste]
voice = "cedar"
"""
AZURE = {"AZURE_OPENAI_ENDPOINT": "https://env.openai.azure.com"}


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(FILE)
    return file


def _service(
    file: Path, name: str | None, env: dict[str, str], **given: Any
) -> Service:
    profile = load_profile(file, name, required=True)
    return choose_service(Given(**given), profile, named=name is not None, environ=env)


@pytest.mark.parametrize(
    ("name", "env", "given", "endpoint"),
    [
        (None, {}, {}, "https://default.openai.azure.com"),
        (None, AZURE, {}, None),  # what the environment says comes later
        ("staging", AZURE, {}, "https://staging.openai.azure.com"),
        ("staging", AZURE, {"endpoint": "wss://opt"}, "wss://opt"),
        (None, AZURE, {"endpoint": "wss://opt"}, "wss://opt"),
        ("taste", AZURE, {}, None),
    ],
)
def test_first_place_that_names_an_endpoint_decides(
    name: str | None,
    env: dict[str, str],
    given: dict[str, Any],
    endpoint: str | None,
    file: Path,
) -> None:
    """Options, then the profile that is named, then the environment, then default."""
    service = _service(file, name, env, **given)

    assert endpoint == service.given.endpoint
    assert not service.is_emulated


@pytest.mark.parametrize(
    "name",
    ["AZURE_OPENAI_API_KEY", "AZURE_OPENAI_DEPLOYMENT", "OPENAI_API_KEY"],
)
def test_half_an_environment_is_no_emulator(name: str) -> None:
    """Who sets a variable of a service is told what is missing, not emulated."""
    service = choose_service(Given(), None, named=False, environ={name: "x"})

    assert not service.is_emulated


def test_nothing_set_is_an_emulator() -> None:
    """Without any endpoint, and with --emulated, an emulator it is."""
    nothing = choose_service(Given(), None, named=False, environ={})
    forced = choose_service(Given(emulated=True), None, named=False, environ=AZURE)

    assert nothing.is_emulated
    assert forced.is_emulated


def test_single_options_replace_single_settings(file: Path) -> None:
    """A profile's model gives way to --model; its endpoint stays."""
    service = _service(file, "staging", {}, model="mine")

    assert ("https://staging.openai.azure.com", "mine", "STAGING_KEY") == (
        service.given.endpoint,
        service.given.model,
        service.given.key_env,
    )


def test_key_of_a_profile_stays_with_its_endpoint(file: Path) -> None:
    """With another endpoint, neither the profile's key nor its variable is used."""
    staging = _service(file, "staging", {}, endpoint="wss://elsewhere")
    keyed = _service(file, "keyed", {}, endpoint="wss://elsewhere")

    assert staging.given.key_env is None
    assert keyed.key is None
    assert _service(file, "keyed", {}).key == "of-keyed"
    assert "of-keyed" not in repr(_service(file, "keyed", {}))


def test_own_credential_replaces_that_of_the_profile(file: Path) -> None:
    """With --entra or --key-env, the profile's key is out of the question."""
    assert _service(file, "keyed", {}, entra=True).key is None
    assert _service(file, "staging", {}, entra=True).given.key_env is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[default", "no TOML"),
        ("[default]\nendpont = 'x'", "use 'endpoint'"),
        ("[default]\nzzz = 'x'", "there are: endpoint"),
        ("[default]\nmodel = 3", "make it a str"),
        ("model = 'x'", "put it in .default."),
        ("default = 3", "no profile"),
        ("[default]\nprices = { input_txt = 4 }", "use 'input_text'"),
        ("[default]\nprices = { zzz = 4 }", "there are: input_text, input_audio"),
        ("[default]\nprices = { input_text = '4' }", "'input_text' is no number"),
        ("[default]\nprices = 4", "make it a dict"),
        ("[other]\n", None),
    ],
)
def test_profile_file_is_checked(
    content: str, words: str | None, tmp_path: Path
) -> None:
    """What is wrong in the file is said, with what is meant."""
    file = tmp_path / "config.toml"
    file.write_text(content)
    if words is None:
        assert load_profile(file, None, required=True) is None
        return
    with pytest.raises(ValueError, match=words):
        load_profile(file, None, required=True)


def test_profile_that_is_not_there(file: Path, tmp_path: Path) -> None:
    """A name that is not in the file is told with those that are."""
    with pytest.raises(ValueError, match="there are: default, keyed, staging, taste"):
        load_profile(file, "prod", required=False)
    with pytest.raises(FileNotFoundError):
        load_profile(tmp_path / "none.toml", "prod", required=False)

    assert load_profile(tmp_path / "none.toml", None, required=False) is None


def test_profiles_need_tomli_before_3_11(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a reader of TOML, the extra is named."""
    for name in ("tomllib", "tomli"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"realtime_sync\[cli\]"):
        load_profile(file, None, required=True)


def test_variable_of_the_key_has_to_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that should hold the key and does not is named."""
    monkeypatch.delenv("NOT_SET", raising=False)
    given = Given(endpoint="https://r.openai.azure.com", key_env="NOT_SET")
    with pytest.raises(ValueError, match="NOT_SET"):
        Service(source="", given=given).client()


def test_ca_file_adds_an_authority(tmp_path: Path) -> None:
    """The file of --ca-file is trusted besides the system's authorities."""
    import trustme

    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    given = Given(
        endpoint="wss://gateway.example/openai/v1/realtime",
        ca_file=str(tmp_path / "ca.pem"),
        key_env="PATH",
    )
    context = Service(source="", given=given).client().ssl_context

    assert context is not None
    assert context.cert_store_stats()["x509_ca"] >= 1


def test_ca_file_without_certificates(tmp_path: Path) -> None:
    """A file of --ca-file that has no certificates is named, with what it may be."""
    (tmp_path / "ca.pem").write_text("nothing")
    given = Given(endpoint="wss://x", ca_file=str(tmp_path / "ca.pem"))
    with pytest.raises(ValueError, match=r"ca\.pem has no certificates; give a PEM"):
        Service(source="", given=given).client()


def test_profile_shows_where_it_is_from(file: Path) -> None:
    """A profile is told by its name and its file."""
    profile = Profile(name="staging", file=file)

    assert f"profile 'staging' of {file}" == str(profile)
