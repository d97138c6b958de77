"""
Which service a command talks to: options, a profile, the environment, or an emulator.

Where to connect and by whose key belong together, so one place decides on them, the
first of these that names an endpoint: ``--endpoint``; the profile of ``--profile``; the
environment; the profile ``default``. Single options replace single settings of it. A
profile's key never goes to an endpoint that the profile does not name. Where nothing
names an endpoint, an emulator is started in this process.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from ..client import RealtimeClient
from ._profiles import Profile


if TYPE_CHECKING:
    from ..credentials import Credential
    from ..emulator import RealtimeEmulator


__all__ = ["Given", "Service", "choose_service"]

# Any of these set means that somebody wants a service; what is missing is told.
_VARIABLES = (
    "AZURE_OPENAI_ENDPOINT",
    "AZURE_OPENAI_API_KEY",
    "AZURE_OPENAI_DEPLOYMENT",
    "OPENAI_API_KEY",
)

_CLOSING = 2.0  # seconds; whoever has pressed Ctrl-C does not want to wait longer

# What is shared by options and profiles; who is asking is taken from one place.
_CONNECTING = ("endpoint", "model", "api_version", "scope", "proxy", "ca_file")
_KEYS = ("key_env", "entra")


@attrs.frozen(kw_only=True)
class Given:
    """
    What the options of a command say about the service; None where they are silent.

    Attributes are those of `Profile` of the same name, and these:
        emulated: Whether to use an emulator, whatever else is set.
        emulator_speech: What that hears and speaks: auto, real or tone.
        open_timeout: Seconds to open a connection.
        reconnect: Whether a connection that is lost is opened again.
    """

    endpoint: str | None = None
    model: str | None = None
    api_version: str | None = None
    key_env: str | None = None
    entra: bool | None = None
    scope: str | None = None
    proxy: str | None = None
    ca_file: str | None = None
    emulated: bool = False
    emulator_speech: str = "auto"
    open_timeout: float = 20.0
    reconnect: bool = True


@attrs.frozen(kw_only=True)
class Service:
    """
    Where a command's connections go to.

    Attributes:
        source: What decided on it, for people.
        given: The settings, complete but for what the environment adds.
        key: The key of a profile that holds one.
        is_emulated: Whether it is an emulator in this process.
    """

    source: str
    given: Given
    key: str | None = attrs.field(default=None, repr=False)
    is_emulated: bool = False

    def client(self) -> RealtimeClient:
        """
        Return a client of a service; see `start_emulator()` for the other kind.

        Raises:
            ValueError: Something is missing, or contradicts something else, or the
                file of authorities has none.
            OSError: The file of authorities cannot be read.
        """
        given = self.given
        settings: dict[str, Any] = {
            "scope": given.scope,
            "proxy": given.proxy,
            "open_timeout": given.open_timeout,
            "close_timeout": _CLOSING,
        }
        if not given.reconnect:
            settings["reconnect"] = None
        if given.ca_file is not None:
            settings["ssl_context"] = _trusting(given.ca_file)
        return RealtimeClient.from_environment(
            given.endpoint,
            self._credential(),
            model=given.model,
            api_version=given.api_version,
            **settings,
        )

    def start_emulator(self) -> tuple[RealtimeClient, RealtimeEmulator]:
        """
        Start an emulator in this process.

        Returns:
            A client of it, and the emulator, which is to be closed.

        Raises:
            ImportError: The extra emulator is not installed.
        """
        from ..emulator import RealtimeEmulator, default_speech

        given = self.given
        emulator = RealtimeEmulator(speech=default_speech(given.emulator_speech))
        emulator.start()
        client = RealtimeClient(
            emulator.endpoint,
            "emulator",
            model=given.model or "gpt-realtime",
            proxy="",  # it is on this machine
            open_timeout=given.open_timeout,
        )
        return client, emulator

    def _credential(self) -> Credential | None:
        if self.given.entra:
            from azure.identity import DefaultAzureCredential

            return DefaultAzureCredential()
        if self.given.key_env is None:
            return self.key
        key = os.environ.get(self.given.key_env, "").strip()
        if not key:
            raise ValueError(
                f"the variable {self.given.key_env}, which should hold the key, is "
                "not set; set it"
            )
        return key


def choose_service(
    given: Given,
    profile: Profile | None,
    *,
    named: bool,
    environ: Mapping[str, str] | None = None,
) -> Service:
    """
    Decide where connections go to.

    Args:
        given: The options.
        profile: The profile that was loaded, or None.
        named: Whether that was asked for by name.
        environ: The variables, by default those of the process.
    """
    env = os.environ if environ is None else environ
    if given.emulated:
        return Service(source="--emulated", given=given, is_emulated=True)
    by_environment = any(env.get(name, "").strip() for name in _VARIABLES)
    wanted = named or (given.endpoint is None and not by_environment)
    if profile is not None and profile.endpoint and wanted:
        return _by_profile(given, profile)
    if given.endpoint is not None:
        return Service(source="--endpoint", given=given)
    if by_environment:
        return Service(source="the environment", given=given)
    return Service(source="nothing names an endpoint", given=given, is_emulated=True)


def _by_profile(given: Given, profile: Profile) -> Service:
    if given.endpoint not in (None, profile.endpoint):
        # Its key is for its endpoint alone, and so is all the rest.
        return Service(source="--endpoint", given=given)
    own_credential = not (given.key_env or given.entra)
    filled = {
        name: getattr(profile, name)
        for name in (*_CONNECTING, *(_KEYS if own_credential else ()))
        if getattr(given, name) is None
    }
    return Service(
        source=str(profile),
        given=attrs.evolve(given, **filled),
        key=profile.key if own_credential else None,
    )


def _trusting(ca_file: str) -> ssl.SSLContext:
    path = Path(ca_file).expanduser()
    path.read_bytes()  # for an error that names the file
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as exc:
        raise ValueError(f"{path} has no certificates; give a PEM file") from exc
    return context
