"""The sessions of one emulator, made as its settings and their clients say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from ..protocol import ClientEvent
from ..protocol.codec import Dialect
from ._clock import Clock
from ._mcp import McpServers
from ._recorded_script import Script
from ._translation import TranslationMachine, Translator
from .recorded import RecordedSession
from .replies import Replier
from .session import Session
from .settings import EmulatorSettings
from .speech import Speech


__all__ = ["MachineFactory"]


@frozen(kw_only=True)
class MachineFactory:
    """
    Makes sessions of every kind. Thread-safe.

    Attributes:
        settings: How the service behaves.
        clock: What time it is.
        speech: Returns what hears and speaks.
        replies: What the model answers.
        translate: Translates in translation sessions.
        mcp_servers: The tools of MCP servers.
        script: What a recorded server said, which is all that there is then; or None.
    """

    settings: EmulatorSettings
    clock: Clock
    speech: Callable[[], Speech]
    replies: Replier
    translate: Translator | None
    mcp_servers: McpServers
    script: Script | None = None

    def make(
        self,
        kind: str,
        *,
        model: str = "gpt-realtime",
        dialect: Dialect = "ga",
        setup: Any = None,
        observe: Callable[[ClientEvent], None] | None = None,
    ) -> Session | TranslationMachine | RecordedSession:
        """
        Return a session that has not started.

        Args:
            kind: ``"realtime"``, ``"transcription"`` or ``"translation"``.
            model: The model that the client named.
            dialect: What the client speaks.
            setup: What differs from the defaults, and the model with it.
            observe: Called with every client event.

        Raises:
            RequestError: The service would refuse *setup*.
        """
        if self.script is not None:
            return RecordedSession(
                self.script,
                settings=self.settings,
                clock=self.clock,
                dialect=dialect,
                observe=observe,
            )
        model = getattr(setup, "model", None) or model
        machine: Session | TranslationMachine
        if kind == "translation":
            machine = TranslationMachine(
                settings=self.settings,
                clock=self.clock,
                speech=self.speech,
                translate=self.translate,
                model=model,
                observe=observe,
            )
        else:
            machine = Session(
                settings=self.settings,
                clock=self.clock,
                speech=self.speech,
                replies=self.replies,
                model=model,
                dialect=dialect,
                transcription=kind == "transcription",
                mcp_servers=self.mcp_servers,
                observe=observe,
            )
        if setup is not None:
            machine.configure(setup)
        return machine

    def configuration(self, kind: str, setup: Any) -> Any:
        """Return the whole configuration of a session; raises as `make()` does."""
        return self.make(kind, setup=setup).config
