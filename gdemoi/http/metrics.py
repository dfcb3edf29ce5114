"""Figures for Prometheus (docs/http.rst, "Metrics"): the API and the channels.

Counters are kept here; everything else is read when it is asked for.
"""

from __future__ import annotations

from collections import Counter as Counting
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from gdemoi.contract.gateway import Gateway
from gdemoi.errors import Unavailable
from gdemoi.message import MessageState

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
# name of the metric -> (key of a channel's description, help)
_GAUGES: Final = {
    "gdemoi_channel_backlog": ("backlog", "Messages that wait for the channel"),
    "gdemoi_channel_in_flight": ("in_flight", "Messages without an answer"),
    "gdemoi_channel_window": ("window", "How many there may be"),
    "gdemoi_channel_paused": ("paused", "1: an operator paused it"),
    "gdemoi_channel_rate_limit": ("present_rate", "Segments per second allowed now"),
    "gdemoi_channel_unanswered": ("unanswered", "Submits unanswered in a row"),
    "gdemoi_channel_balance": ("balance", "What the account holds"),
}
_COUNTERS: Final = {
    "gdemoi_channel_sent": ("sent", "Messages that the far side has taken"),
    "gdemoi_channel_throttled": ("throttled", "Times the far side said: slower"),
}


class Metrics:
    """The figures of one API."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        # the journal's figures, read just before they are asked for
        self._counts: Mapping[str, int] = {}
        self._unmatched: int | None = None
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self.requests = Counter(
            "gdemoi_http_requests",
            "Requests by method and status",
            ("method", "status"),
            registry=self._registry,
        )
        self.messages = Counter(
            "gdemoi_http_messages",
            "Messages that came over HTTP, by what was answered",
            ("answer",),
            registry=self._registry,
        )

    def answered(self, method: str, status: int) -> None:
        """Count a request."""
        self.requests.labels(method, str(status)).inc()

    def took(self, answers: Sequence[tuple[int, Any]]) -> None:
        """Count the messages of a request by their statuses."""
        for status, count in Counting(status for status, _ in answers).items():
            self.messages.labels(_ANSWERS.get(status, "refused")).inc(count)

    async def text(self) -> bytes:
        """Return all figures in Prometheus' text format.

        Those of the journal are absent while it cannot be read.
        """
        try:
            self._counts = await self._gateway.counts()
            self._unmatched = await self._gateway.count_unmatched()
        except Unavailable:
            self._counts, self._unmatched = {}, None
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the figures of the channels (called by the registry)."""
        channels = self._gateway.channels()
        ready = GaugeMetricFamily("gdemoi_ready", "1: messages can be taken")
        ready.add_metric([], 0.0 if self._gateway.unready() else 1.0)
        yield ready
        events = CounterMetricFamily("gdemoi_events", "Events written")
        events.add_metric([], self._gateway.last_event())
        yield events
        yield from self._of_the_journal()
        yield _states(channels)
        for name, (key, text) in _GAUGES.items():
            yield _filled(GaugeMetricFamily(name, text, labels=_LABELS), channels, key)
        for name, (key, text) in _COUNTERS.items():
            yield _filled(
                CounterMetricFamily(name, text, labels=_LABELS), channels, key
            )
        yield _refused_senders(channels)
        yield _lines(channels)

    def _of_the_journal(self) -> Iterator[Metric]:
        if self._unmatched is None:
            return
        messages = GaugeMetricFamily(
            "gdemoi_messages", "Messages in the journal by state", labels=("state",)
        )
        for state in MessageState:
            messages.add_metric([state], self._counts.get(state, 0))
        yield messages
        unmatched = GaugeMetricFamily(
            "gdemoi_receipts_unmatched", "Receipts about no message that we know"
        )
        unmatched.add_metric([], self._unmatched)
        yield unmatched


_ANSWERS: Final = {202: "accepted", 200: "duplicate", 422: "refused"}
_LABELS: Final = ("channel", "kind")
_Family = GaugeMetricFamily | CounterMetricFamily


def _labels(channel: Mapping[str, Any]) -> list[str]:
    return [str(channel.get("name")), str(channel.get("kind"))]


def _filled(
    family: _Family, channels: Sequence[Mapping[str, Any]], key: str
) -> _Family:
    for channel in channels:
        value = _number(channel.get(key))
        if value is not None:
            family.add_metric(_labels(channel), value)
    return family


def _number(value: Any) -> float | None:
    if isinstance(value, bool | int | float):
        return float(value)
    try:
        # a balance may come with its currency
        return float(str(value).split()[0])
    except (ValueError, IndexError):
        return None


def _states(channels: Sequence[Mapping[str, Any]]) -> Metric:
    family = GaugeMetricFamily(
        "gdemoi_channel_up", "1: up, 0.5: degraded, 0: down", labels=_LABELS
    )
    for channel in channels:
        value = {"up": 1.0, "degraded": 0.5}.get(str(channel.get("state")), 0.0)
        family.add_metric(_labels(channel), value)
    return family


def _refused_senders(channels: Sequence[Mapping[str, Any]]) -> Metric:
    family = GaugeMetricFamily(
        "gdemoi_channel_refused_senders",
        "Senders that the far side refuses and that rest",
        labels=_LABELS,
    )
    for channel in channels:
        family.add_metric(_labels(channel), len(channel.get("refused_senders") or ()))
    return family


def _lines(channels: Sequence[Mapping[str, Any]]) -> Metric:
    family = GaugeMetricFamily(
        "gdemoi_line_up", "1: the GSM line is up", labels=("channel", "line")
    )
    for channel in channels:
        for line in channel.get("lines") or ():
            up = 1.0 if line.get("state") == "up" else 0.0
            family.add_metric([str(channel.get("name")), str(line.get("name"))], up)
    return family
