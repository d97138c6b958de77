"""Where responses are asked for, limited, interrupted and accounted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from ..protocol import (
    Model,
    OutputAudioBufferStopped,
    RateLimit,
    RateLimitsUpdated,
    RealtimeSession,
    ResponseCreateParams,
    RetentionRatio,
)
from ..protocol.codec import unstructure
from ._conversation import Conversation, Entry
from ._core import Core
from ._errors import RequestError
from ._output import Output
from ._plan import Plan, make_plan
from ._response_parts import Part, parts_of
from ._responses import ResponseRun
from ._sound import sped_up
from ._tokens import Tokens, text_tokens
from .replies import Failure, Replier, Reply, Turn
from .speech import Speech


__all__ = ["ResponseDesk"]

_RESERVED = 4_096  # output tokens that a response without a limit keeps free


class ResponseDesk:
    """
    The responses of one session. Not thread-safe.

    Args:
        core: What the session's parts share.
        conversation: The default conversation.
        replier: Answers turns.
        speech: Returns what speaks; called when it is first needed.
        added: Announces an item of the conversation.
        finalized: Announces that an item of the conversation is finished.
        requested: Called with each call of an MCP tool, and its index.
        played: Called when the audio of the last response would have been played.
    """

    def __init__(
        self,
        core: Core,
        conversation: Conversation,
        *,
        replier: Replier,
        speech: Callable[[], Speech],
        added: Callable[[Entry], None],
        finalized: Callable[[Entry], None],
        requested: Callable[[Entry, int], None],
        played: Callable[[], None],
    ) -> None:
        self.last_spoken: str | None = None
        self.done: list[ResponseRun] = []
        self._core = core
        self._conversation = conversation
        self._replier = replier
        self._speech = speech
        self._added = added
        self._finalized = finalized
        self._requested = requested
        self._played = played
        self._runs: dict[str, ResponseRun] = {}
        self._cached = Tokens()
        self._cached_head = ""
        self._spent: list[tuple[float, int]] = []  # (when, tokens), of one minute

    @property
    def has_spoken(self) -> bool:
        """Whether the model spoke in this session: its voice is fixed from then on."""
        runs = self._runs.values()
        return bool(self.last_spoken) or any(run.output.audio_ms for run in runs)

    @property
    def active(self) -> ResponseRun | None:
        """The response that writes to the conversation, or None."""
        return next(
            (run for run in self._runs.values() if run.plan.conversation_id), None
        )

    def create(
        self,
        session: RealtimeSession,
        params: ResponseCreateParams,
        given: Sequence[Entry] | None = None,
    ) -> None:
        """
        Begin a response.

        Args:
            session: The configuration.
            params: What the client asked for.
            given: The client's own input in place of the conversation, or None.

        Raises:
            RequestError: There is an active response already.
        """
        is_default = params.conversation != "none"
        active = self.active
        if is_default and active is not None:
            raise RequestError(
                "Conversation already has an active response in progress: "
                f"{active.id}. Wait until the response is finished before creating a "
                "new one.",
                code="conversation_already_has_active_response",
            )
        plan = make_plan(
            session,
            params,
            response_id=self._core.new_id("resp"),
            conversation_id=self._conversation.id if is_default else None,
            context=list(self._conversation) if given is None else list(given),
        )
        self._start(session, plan)

    def _start(self, session: RealtimeSession, plan: Plan) -> None:
        head = Tokens(text_tokens(_head(plan)))
        context, fits = self._fit(session, plan.context, head)
        plan = attrs.evolve(plan, context=context)
        if not fits:
            compose: Callable[[], Iterator[Part]] = _too_long
        else:
            compose = self._composer(session, plan)
        voice = plan.voice if isinstance(plan.voice, str) else plan.voice.id
        run = ResponseRun(
            self._core,
            plan,
            compose=compose,
            speak=lambda text: _spoken(self._speech(), text, voice, plan.speed),
            output=Output(
                self._core,
                plan,
                added=self._added,
                finalized=self._finalized,
                requested=self._requested,
            ),
            finished=self._finish,
            read=head + Tokens.sum(entry.tokens() for entry in context),
            cached=self._cached if _head(plan) == self._cached_head else Tokens(),
        )
        self._runs[run.id] = run
        run.start()
        if self._core.dialect == "ga":
            self._report_limits(run)

    def _composer(
        self, session: RealtimeSession, plan: Plan
    ) -> Callable[[], Iterator[Part]]:
        turn = Turn(
            session_id=session.id or "",
            response_id=plan.response_id,
            model=session.model or "",
            instructions=plan.instructions,
            tools=plan.tools,
            tool_choice=plan.tool_choice,
            output_modalities=list(plan.modalities),
            metadata=plan.metadata,
            items=[entry.item for entry in plan.context],
            entries=[_frozen_copy(entry) for entry in plan.context],
        )
        replier = self._replier
        return lambda: parts_of(replier(turn), speaks=plan.speaks)

    def _fit(
        self, session: RealtimeSession, entries: Sequence[Entry], head: Tokens
    ) -> tuple[Sequence[Entry], bool]:
        """Return what of *entries* the model gets to read, and whether it can."""
        rule, ratio = session.truncation, 1.0
        limit = max(0, self._core.settings.context_tokens - head.total)
        if isinstance(rule, RetentionRatio):
            ratio = rule.retention_ratio
            if rule.token_limits and rule.token_limits.post_instructions is not None:
                limit = min(limit, rule.token_limits.post_instructions or limit)
        sizes = [entry.tokens().total for entry in entries]
        total = sum(sizes)
        if total <= limit:
            return entries, True
        if rule == "disabled":
            return entries, False
        start = 0
        while start < len(entries) - 1 and total > limit * ratio:
            total -= sizes[start]
            start += 1
        return entries[start:], True

    # Ends

    def cancel(self, response_id: str | None) -> None:
        """
        Cancel a response, by default the active one.

        Raises:
            RequestError: There is none.
        """
        run = self._runs.get(response_id) if response_id else self.active
        if run is None:
            raise RequestError(
                "Cancellation failed: no active response found",
                code="response_cancel_not_active",
                param="response_id" if response_id else None,
            )
        run.cancel("client_cancelled")

    def interrupt(self) -> None:
        """Cancel the active response because the user speaks."""
        if self.active is not None:
            self.active.cancel("turn_detected")

    def _finish(self, run: ResponseRun) -> None:
        del self._runs[run.id]
        self._account(run)
        if self._core.settings.record:
            self.done.append(run)
        if run.output.audio_ms:
            self.last_spoken = run.id
        if run.plan.conversation_id:
            self._cached = run.read + run.output.written
            self._cached_head = _head(run.plan)
        if self._core.dialect == "preview":
            self._report_limits(None)
        self._await_playback(run)

    def _await_playback(self, run: ResponseRun) -> None:
        end, output = self._core.clock.now(), run.output
        if output.audio_started_at is not None:
            end = max(end, output.audio_started_at + output.audio_ms / 1000)

        def played() -> None:
            if self._core.settings.output_audio_buffer and output.audio_ms:
                self._core.emit(OutputAudioBufferStopped, response_id=run.id)
            if self.active is None:
                self._played()

        if run.plan.conversation_id and run.status == "completed":
            self._core.call_at(end, played)

    # Limits

    def _account(self, run: ResponseRun) -> None:
        self._spent.append(
            (self._core.clock.now(), (run.read + run.output.written).total)
        )

    def _report_limits(self, starting: ResponseRun | None) -> None:
        now, settings = self._core.clock.now(), self._core.settings
        self._spent = [(when, count) for when, count in self._spent if when > now - 60]
        reserved = 0
        if starting is not None:
            limit = starting.plan.max_output_tokens
            reserved = limit if isinstance(limit, int) else _RESERVED
            reserved += starting.read.total
        requests = settings.requests_per_minute
        tokens = settings.tokens_per_minute
        used = sum(count for _, count in self._spent) + reserved
        count = len(self._spent) + bool(starting)
        self._core.emit(
            RateLimitsUpdated,
            rate_limits=[
                _limit("requests", requests, count),
                _limit("tokens", tokens, used),
            ],
        )


def _limit(name: str, limit: int, used: int) -> RateLimit:
    used = min(used, limit)
    return RateLimit(
        name=name,
        limit=limit,
        remaining=limit - used,
        reset_seconds=round(60.0 * used / limit, 3) if limit else 60.0,
    )


def _head(plan: Plan) -> str:
    """Return what precedes the conversation in what the model reads, as text."""
    tools = [
        unstructure(tool) if isinstance(tool, Model) else tool for tool in plan.tools
    ]
    return plan.instructions + (json.dumps(tools, default=str) if tools else "")


def _spoken(speech: Speech, text: str, voice: str, speed: float) -> bytes:
    if speed == 1.0:
        return speech.speak(text, voice)
    speak_at: Any = getattr(speech, "speak_at", None)
    if speak_at is None:
        return sped_up(speech.speak(text, voice), speed)
    pcm: bytes = speak_at(text, voice, speed)
    return pcm


def _frozen_copy(entry: Entry) -> Entry:
    """Return a copy that another thread may read while the session goes on."""
    return Entry(entry.item, heard=dict(entry.heard))


def _too_long() -> Iterator[Part]:
    failure = Failure(
        message="The conversation exceeds the model's input token limit.",
        code="input_tokens_exceeded",
        type="invalid_request_error",
    )
    return parts_of(Reply(failure=failure), speaks=False)
