"""From a question, in whatever form a person has it, to a user's message."""

from __future__ import annotations

import base64
import mimetypes
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, Union

from .._checks import not_this
from ..audio import G711_RATE, SAMPLE_RATE, Audio, load_audio
from ..protocol.items import ContentPart, InputAudio, InputImage, InputText, Message


__all__ = ["Question", "user_message"]

Question = Union[str, bytes, "os.PathLike[str]", Audio]
"""Text is `str`, so the path of a recording is a `pathlib.Path`; see below."""

# Each of these is one image, and not several of them.
_SINGLE: Final = (str, bytes, os.PathLike)


def user_message(
    question: Question,
    images: Sequence[str | os.PathLike[str]] = (),
    encode: Callable[[bytes], bytes] | None = None,
) -> Message:
    """
    Return the message of a user who asks *question*.

    Args:
        question: A `str` is text, also if it looks like a path. A recording is a
            `pathlib.Path`, a `realtime_sync.audio.Audio` or bytes of a WAV file.
        images: A list of paths of images, or their ``https:`` or ``data:`` URLs.
        encode: What makes the session's input format of PCM at 8 kHz; None if that is
            PCM at 24 kHz.

    Raises:
        TypeError: It is none of these, or *images* is one and no list.
        ValueError: A file is no audio, or no image.
        OSError: A file cannot be read.
    """
    if isinstance(images, _SINGLE) or not isinstance(images, Iterable):
        raise not_this("images is a list (of one: [image])", images)
    content: list[ContentPart] = [_image(image) for image in images]
    if isinstance(question, str):
        content.append(InputText(text=question))
    elif isinstance(question, (bytes, os.PathLike, Audio)):
        rate = SAMPLE_RATE if encode is None else G711_RATE
        pcm = load_audio(question, rate).pcm
        content.append(InputAudio(audio=pcm if encode is None else encode(pcm)))
    else:
        raise not_this(
            "a question is text (str) or a recording (pathlib.Path, bytes or "
            "realtime_sync.audio.Audio)",
            question,
        )
    return Message(role="user", content=content)


def _image(image: str | os.PathLike[str]) -> InputImage:
    if not isinstance(image, (str, os.PathLike)):
        raise not_this("an image is a path or a URL (str or pathlib.Path)", image)
    if isinstance(image, str) and image.startswith(("data:", "https:", "http:")):
        return InputImage(image_url=image)
    kind, _ = mimetypes.guess_type(str(image))
    if kind is None or not kind.startswith("image/"):
        raise ValueError(f"{image} does not look like an image; name a PNG or a JPEG")
    data = base64.b64encode(Path(image).read_bytes()).decode()
    return InputImage(image_url=f"data:{kind};base64,{data}")
