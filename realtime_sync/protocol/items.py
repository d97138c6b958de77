"""
What a conversation is made of: items, and the parts of their content.

An item is a message, a call of a function or its output, or one of `mcp_items`. Each
class serves for both directions: what the server assigns (``id``, ``object``,
``status``) may be left unset in an item that you create.

A message has a list of content parts. The user's parts are `InputText`, `InputAudio`
and `InputImage`, the system's `InputText`, and the assistant's `OutputText` and
`OutputAudio`.
"""

from collections.abc import Sequence
from typing import ClassVar

import attrs

from ._model import UNSET, Maybe, Model, UnknownObject
from .mcp_items import (
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpListTools,
)
from .vocabularies import FileDetail, ImageDetail, ItemStatus, MessageRole


__all__ = [
    "Audio",
    "ContentPart",
    "FunctionCall",
    "FunctionCallOutput",
    "InputAudio",
    "InputFile",
    "InputImage",
    "InputText",
    "Item",
    "ItemReference",
    "Message",
    "OutputAudio",
    "OutputText",
    "PromptCacheBreakpoint",
    "Text",
]


# Content parts


@attrs.frozen(kw_only=True, repr=False, eq=False)
class PromptCacheBreakpoint(Model):
    """
    Marks the end of a stretch of the prompt that is worth caching.

    Attributes:
        mode: How the mark came about. ``explicit`` is the only one so far.
    """

    mode: str


@attrs.frozen(kw_only=True, repr=False, eq=False)
class InputText(Model):
    """
    Text from the user or the system.

    Attributes:
        text: The text.
        prompt_cache_breakpoint: Set to cache the prompt up to and with this part.
    """

    type: ClassVar[str] = "input_text"

    text: str
    prompt_cache_breakpoint: Maybe[PromptCacheBreakpoint] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class InputAudio(Model):
    """
    Speech of the user.

    Attributes:
        audio: Audio in the session's input format. The server leaves it out, save in
            `ConversationItemRetrieved`.
        transcript: What was said, once transcription is done. None until then.
    """

    type: ClassVar[str] = "input_audio"

    audio: Maybe[bytes] = UNSET
    transcript: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class InputImage(Model):
    """
    A picture from the user.

    Attributes:
        image_url: The picture as a ``data:`` URL (PNG or JPEG in base64).
        file_id: The id of an uploaded file, instead of the URL.
        detail: How finely it is looked at.
        prompt_cache_breakpoint: Set to cache the prompt up to and with this part.
    """

    type: ClassVar[str] = "input_image"

    image_url: Maybe[str] = UNSET
    file_id: Maybe[str] = UNSET
    detail: Maybe[ImageDetail] = UNSET
    prompt_cache_breakpoint: Maybe[PromptCacheBreakpoint] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class InputFile(Model):
    """
    A document, given by one of *file_data*, *file_id* and *file_url*.

    It occurs among the variables of a stored `Prompt`.

    Attributes:
        file_data: The document itself, in base64 or as a ``data:`` URL.
        file_id: The id of an uploaded file.
        file_url: Where the service can fetch it.
        filename: Its name, as the model sees it.
        detail: How finely its pages are looked at.
        prompt_cache_breakpoint: Set to cache the prompt up to and with this part.
    """

    type: ClassVar[str] = "input_file"

    file_data: Maybe[str] = UNSET
    file_id: Maybe[str] = UNSET
    file_url: Maybe[str] = UNSET
    filename: Maybe[str] = UNSET
    detail: Maybe[FileDetail] = UNSET
    prompt_cache_breakpoint: Maybe[PromptCacheBreakpoint] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class OutputText(Model):
    """
    Text that the model wrote.

    Attributes:
        text: The text.
    """

    type: ClassVar[str] = "output_text"

    text: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class OutputAudio(Model):
    """
    Speech of the model.

    Attributes:
        audio: Audio in the session's output format. The server leaves it out, save in
            `ConversationItemRetrieved`; it arrives as `ResponseOutputAudioDelta`.
        transcript: The words that are spoken.
    """

    type: ClassVar[str] = "output_audio"

    audio: Maybe[bytes] = UNSET
    transcript: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Text(Model):
    """
    Text of the model, as `ResponseContentPartAdded` and its ``done`` name it.

    In an item the same text is an `OutputText`.

    Attributes:
        text: The text so far: empty when the part is added, whole when it is done.
    """

    type: ClassVar[str] = "text"

    text: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Audio(Model):
    """
    Speech of the model, as `ResponseContentPartAdded` and its ``done`` name it.

    In an item the same speech is an `OutputAudio`.

    Attributes:
        audio: Audio in the session's output format, if the server includes it.
        transcript: The words: empty when the part is added, all when it is done.
    """

    type: ClassVar[str] = "audio"

    audio: Maybe[bytes] = UNSET
    transcript: Maybe[str] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ItemReference(Model):
    """
    Stands for an item that the conversation has already.

    It occurs in the ``input`` of a response, as an item or within a message.

    Attributes:
        id: The id of that item.
    """

    type: ClassVar[str] = "item_reference"

    id: str


ContentPart = (
    InputText
    | InputAudio
    | InputImage
    | InputFile
    | OutputText
    | OutputAudio
    | Text
    | Audio
    | ItemReference
    | UnknownObject
)
"""One part of what a message says."""


# Items


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Message(Model):
    """
    Something that the system, the user or the assistant said.

    Attributes:
        role: Who said it.
        content: What was said, part by part. Empty while the assistant begins.
        id: The item's id. You may choose it for an item that you create (at most 32
            characters); else the server does.
        object: Always ``realtime.item``.
        status: How far it has come, for your information only.
    """

    type: ClassVar[str] = "message"

    role: MessageRole
    content: Sequence[ContentPart]
    id: Maybe[str] = UNSET
    object: Maybe[str] = UNSET
    status: Maybe[ItemStatus] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class FunctionCall(Model):
    """
    The model asks the client to run a function.

    Answer it with a `FunctionCallOutput` that has the same *call_id*, and then a
    `ResponseCreate` to let the model go on.

    Attributes:
        name: The name of the function.
        arguments: The arguments, a JSON object as text. The model writes it: it may
            break the schema, and it is cut short if the response is incomplete.
        call_id: The id that joins the call and its output.
        id: The item's id.
        object: Always ``realtime.item``.
        status: How far it has come. Act upon completed calls only.
    """

    type: ClassVar[str] = "function_call"

    name: str
    arguments: str
    call_id: Maybe[str] = UNSET
    id: Maybe[str] = UNSET
    object: Maybe[str] = UNSET
    status: Maybe[ItemStatus] = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class FunctionCallOutput(Model):
    """
    What a function returned, from the client to the model.

    Attributes:
        call_id: The ``call_id`` of the `FunctionCall` that this answers.
        output: The result as text, usually JSON. An error goes here as well.
        id: The item's id.
        object: Always ``realtime.item``.
        status: How far it has come.
    """

    type: ClassVar[str] = "function_call_output"

    call_id: str
    output: str
    id: Maybe[str] = UNSET
    object: Maybe[str] = UNSET
    status: Maybe[ItemStatus] = UNSET


Item = (
    Message
    | FunctionCall
    | FunctionCallOutput
    | McpCall
    | McpListTools
    | McpApprovalRequest
    | McpApprovalResponse
    | ItemReference
    | UnknownObject
)
"""One entry of a conversation."""
