"""
Profiles: settings by name, in a TOML file that people write.

::

    [default]
    endpoint = "https://my-resource.openai.azure.com"
    model = "gpt-realtime"
    voice = "marin"

    [staging]
    endpoint = "https://staging.openai.azure.com"
    model = "gpt-realtime-mini"
    key_env = "STAGING_KEY"         # the variable that holds the key

Keys are better not in it: files are copied, and backed up. A ``key`` is taken
nevertheless, with a word about that.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from .._checks import nearest
from ..usage import Prices


__all__ = ["Profile", "load_profile"]


@attrs.frozen(kw_only=True)
class Profile:
    """
    The settings of one profile; None where it is silent.

    Attributes:
        name: Its name.
        file: The file that it stands in.
        endpoint: See `realtime_sync.RealtimeClient`.
        model: The model; on Azure the name of the deployment.
        api_version: Only for Azure's preview.
        key_env: The environment variable that holds the key.
        key: The key itself.
        entra: Whether to sign in with Microsoft Entra ID, whatever keys there are.
        scope: The Entra scope, instead of the one that fits the host.
        proxy: A proxy URL, or empty for none.
        ca_file: Certificates of authorities to trust.
        voice: The voice of answers.
        instructions: What the model is told to be.
        transcription_model: The model that transcribes.
        language: The language that is spoken.
        prices: For a million tokens of each kind, see `realtime_sync.Prices`.
    """

    name: str
    file: Path
    endpoint: str | None = None
    model: str | None = None
    api_version: str | None = None
    key_env: str | None = None
    key: str | None = attrs.field(default=None, repr=False)
    entra: bool | None = None
    scope: str | None = None
    proxy: str | None = None
    ca_file: str | None = None
    voice: str | None = None
    instructions: str | None = None
    transcription_model: str | None = None
    language: str | None = None
    prices: Mapping[str, float] | None = None

    def __str__(self) -> str:
        return f"profile {self.name!r} of {self.file}"


_SETTINGS = tuple(
    field.name for field in attrs.fields(Profile) if field.name not in ("name", "file")
)
_PRICES = tuple(field.name for field in attrs.fields(Prices))
_KINDS: Mapping[str, type] = {"entra": bool, "prices": dict}


def load_profile(file: Path, name: str | None, *, required: bool) -> Profile | None:
    """
    Return a profile.

    Args:
        file: The file; it may be absent, if nothing is *required* of it.
        name: The profile's name; None for ``default``, if there is one.
        required: Whether the file has to be there.

    Raises:
        ValueError: The file is no TOML, it has no such profile, or that has a setting
            or a price that there is not.
        OSError: The file cannot be read.
        ImportError: Python is older than 3.11, and tomli is not installed.
    """
    if not file.exists() and not required and name is None:
        return None
    profiles = _read(file)
    outside = [key for key, value in profiles.items() if not isinstance(value, dict)]
    if outside:
        raise ValueError(
            f"{file}: {outside[0]!r} is in no profile; put it in [default]"
        )
    table = profiles.get(name or "default")
    if table is None and name is None:
        return None
    if table is None:
        known = ", ".join(sorted(profiles)) or "none"
        raise ValueError(f"{file} has no profile {name!r}; there are: {known}")
    return _profile(file, name or "default", table)


def _read(file: Path) -> dict[str, Any]:
    try:
        toml: Any = importlib.import_module(
            "tomllib" if sys.version_info >= (3, 11) else "tomli"
        )
    except ImportError as exc:
        raise ImportError(
            "profiles need tomli on this Python: pip install 'realtime_sync[cli]'"
        ) from exc
    try:
        found: dict[str, Any] = toml.loads(file.read_text("utf-8"))
    except (toml.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ValueError(f"{file} is no TOML: {exc}") from exc
    return found


def _profile(file: Path, name: str, table: Mapping[str, Any]) -> Profile:
    for key, value in table.items():
        if key not in _SETTINGS:
            meant = _meant(key, _SETTINGS)
            raise ValueError(f"{file}: [{name}] has a setting {key!r}; {meant}")
        kind = _KINDS.get(key, str)
        if not isinstance(value, kind):
            raise ValueError(  # noqa: TRY004
                f"{file}: {key!r} of [{name}] is of the wrong type; make it a "
                f"{kind.__name__}"
            )
    _check_prices(f"{file}: [{name}]", table.get("prices", {}))
    return Profile(name=name, file=file, **table)


def _check_prices(where: str, prices: Mapping[str, Any]) -> None:
    for key, value in prices.items():
        if key not in _PRICES:
            raise ValueError(f"{where} has a price {key!r}; {_meant(key, _PRICES)}")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{where}: the price {key!r} is no number; make it one")  # noqa: TRY004


def _meant(key: str, known: Sequence[str]) -> str:
    near = nearest(key, known)
    words = f"there are: {', '.join(known)}"
    return f"use {near!r} ({words})" if near else words
