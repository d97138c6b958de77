"""
Traces, metrics and log fields of connections.

`Telemetry` writes spans and metrics by OpenTelemetry's API alone (extra ``telemetry``),
so that they go to whichever SDK the program has set up, and nowhere without one::

    client = RealtimeClient(endpoint, credential, model="…", telemetry=Telemetry())

A connection that is opened, a response, and a function that a model calls are spans;
the names are those of OpenTelemetry's conventions for generative models. A response is
a child of the span in which it was asked for, whichever thread does what. What is said
is recorded only if ``content=True`` asks for that.

`ConnectionStats` is what ``connection.stats`` returns. `LogFields` and `FlaskFields`
are logging filters: they add to each record the ids of the connection, and of the web
request, that it is about. These need no extra.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._connection.stats import ConnectionStats
from ._log_fields import FlaskFields, LogFields


if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from ._telemetry.watch import Watch
    from .endpoints import Endpoint


__all__ = ["ConnectionStats", "FlaskFields", "LogFields", "Telemetry"]


class Telemetry:
    """
    Writes spans and metrics. Thread-safe; one is enough for any number of clients.

    Args:
        tracer_provider: Instead of the one that the program has set up.
        meter_provider: The same for metrics.
        content: Whether spans hold what is said: instructions, texts, transcripts,
            arguments and results of functions. Audio never.

    Raises:
        ImportError: The extra is not installed.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        content: bool = False,
    ) -> None:
        try:
            from ._telemetry.watch import Instruments
        except ImportError as exc:
            raise ImportError(
                "telemetry needs OpenTelemetry's API: "
                "pip install 'realtime_sync[telemetry]'"
            ) from exc
        self._instruments = Instruments(tracer_provider, meter_provider)
        self._content = content

    def watch(self, endpoint: Endpoint) -> Watch:
        """
        Return what watches one connection, from before it is opened; for clients.

        Args:
            endpoint: Where to.
        """
        from ._telemetry.watch import Watch

        return Watch(self._instruments, endpoint, content=self._content)
