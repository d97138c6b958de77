"""The options that all commands share which talk to a service, and what they make."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import attrs
import click

from ..client import RealtimeClient
from ._output import Output
from ._profiles import Profile, load_profile
from ._settings import Given, Service, choose_service


__all__ = ["Link", "json_option", "keep", "link_options"]

F = TypeVar("F", bound=Callable[..., Any])


@attrs.frozen(kw_only=True)
class Link:
    """
    A command's way to its service.

    Attributes:
        output: Where the command prints.
        service: Where its connections go to.
        profile: The profile, or None.
    """

    output: Output
    service: Service
    profile: Profile | None

    def client(self) -> RealtimeClient:
        """
        Return a client of the service, or of an emulator that ends with the command.

        Raises:
            ValueError: The settings do not go together.
            ImportError: There is no service, and no emulator installed either.
        """
        if not self.service.is_emulated:
            return self.service.client()
        try:
            client, emulator = self.service.start_emulator()
        except ImportError as exc:
            raise ImportError(
                f"{exc}; or name a service with --endpoint or AZURE_OPENAI_ENDPOINT"
            ) from exc
        click.get_current_context().call_on_close(emulator.close)
        self.output.notice(
            f"{self.service.source}: talking to an emulator in this process"
        )
        return client

    def preference(self, given: Any, name: str, default: Any = None) -> Any:
        """Return an option, or what the profile has in its place, or *default*."""
        if given is not None:
            return given
        found = getattr(self.profile, name, None)
        return default if found is None else found


def json_option(command: F) -> F:
    """Add ``--json``, which the output obeys."""

    def switch(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        ctx.find_root().obj.as_json = ctx.find_root().obj.as_json or value

    return click.option(
        "--json",
        is_flag=True,
        is_eager=True,  # or errors of the other options would be told in text
        expose_value=False,
        callback=switch,
        help="Print one JSON object a line.",
    )(command)


def keep(files: Iterable[Path], *targets: Path | None) -> None:
    """
    Keep what is read from being written over.

    Raises:
        click.UsageError: One of *targets* is one of *files*.
    """
    read = {path.resolve() for path in files}
    for target in targets:
        if target is not None and target.resolve() in read:
            raise click.UsageError(f"{target} is read, and would be written over")


def _default_file() -> str:
    return str(Path(click.get_app_dir("realtime-sync")) / "config.toml")


_OPTIONS = (
    click.option("--endpoint", metavar="URL", help="The service's URL or host."),
    click.option("--model", metavar="NAME", help="The model; on Azure the deployment."),
    click.option("--api-version", metavar="DATE", help="Only for Azure's preview."),
    click.option("--key-env", metavar="NAME", help="The variable that holds the key."),
    click.option(
        "--entra",
        is_flag=True,
        default=None,
        show_default=False,
        help="Sign in with Microsoft Entra ID, whatever keys are set.",
    ),
    click.option("--scope", metavar="URL", help="The Entra scope of the token."),
    click.option("--proxy", metavar="URL", help="A proxy; '' for none."),
    click.option(
        "--ca-file",
        type=click.Path(dir_okay=False),
        help="Certificates of authorities to trust besides the system's.",
    ),
    click.option(
        "--open-timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        default=20.0,
        help="To open a connection.",
    ),
    click.option(
        "--reconnect/--no-reconnect",
        default=True,
        help="Whether to try again what may go better, and to open a lost connection "
        "again.",
    ),
    click.option("--emulated", is_flag=True, help="Talk to an emulator in any case."),
    click.option(
        "--emulator-speech",
        type=click.Choice(["auto", "real", "tone"]),
        default="auto",
        envvar="REALTIME_SYNC_EMULATOR_SPEECH",
        help="What that emulator hears and speaks.",
    ),
    click.option(
        "--profile",
        metavar="NAME",
        envvar="REALTIME_SYNC_PROFILE",
        help="Settings from the profile file.",
    ),
    click.option(
        "--profile-file",
        type=click.Path(dir_okay=False),
        envvar="REALTIME_SYNC_PROFILE_FILE",
        help="Where the profiles are.  [default: config.toml in the folder for "
        "settings of programs]",
    ),
)

_CONNECTING = tuple(field.name for field in attrs.fields(Given))


def link_options(command: F) -> F:
    """Add the options of a service, and hand the command a `Link` in their place."""

    @functools.wraps(command)
    def run(**options: Any) -> Any:
        given = Given(**{name: options.pop(name) for name in _CONNECTING})
        name, file = options.pop("profile"), options.pop("profile_file")
        return command(_link(given, name, file), **options)

    for option in reversed(_OPTIONS):
        run = option(run)
    wrapped: F = json_option(run)  # type: ignore[assignment]
    return wrapped


def _link(given: Given, name: str | None, file: str | None) -> Link:
    output: Output = click.get_current_context().find_root().obj
    profile = load_profile(
        Path(file or _default_file()).expanduser(), name, required=file is not None
    )
    if profile is not None and profile.key:
        output.notice(f"{profile} holds a key; name a variable in key_env instead")
    service = choose_service(given, profile, named=name is not None)
    return Link(output=output, service=service, profile=profile)
