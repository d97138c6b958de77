"""What the hooks of an application are told."""

from __future__ import annotations

from typing import Literal

import attrs

from ..protocol.responses import TranscriptUsage, Usage


__all__ = ["Transcript", "UsageReport"]


@attrs.frozen(kw_only=True)
class Transcript:
    """
    Something that was said, whole.

    Attributes:
        user: Whose conversation it is.
        session_id: The service's id of the session.
        item_id: The item of the conversation.
        role: Who said it: "user" or "assistant".
        text: The words. Those of an answer that was interrupted may be more than were
            heard.
    """

    user: str
    session_id: str
    item_id: str
    role: Literal["user", "assistant"]
    text: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class UsageReport:
    """
    What a response, or the transcription of a question, has used.

    Attributes:
        user: Whose conversation it is.
        session_id: The service's id of the session.
        usage: The tokens, or the seconds, as the service counts them.
    """

    user: str
    session_id: str
    usage: Usage | TranscriptUsage
