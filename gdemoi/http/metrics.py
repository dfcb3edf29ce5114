"""Figures for Prometheus (docs/monitoring.rst): of the API and the whole gateway.

The API's own counters are kept here; everything else is read from `Figures` when it
is asked for, so that nobody who counts has to know of labels and text.
"""

from __future__ import annotations

import platform
from collections import Counter as Counting
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.utils import floatToGoString

from gdemoi.contract.figures import Figures, Histogram, LaneFigures
from gdemoi.contract.gateway import Gateway
from gdemoi.message import ChannelState, MessageState

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
# state -> how much of a channel is up
_UP: Final[dict[str, float]] = {ChannelState.UP: 1.0, ChannelState.DEGRADED: 0.5}
_LINE_GAUGES: Final = {
    "gdemoi_line_signal": ("signal", "Signal as the device tells it: CSQ, 0 to 31"),
    "gdemoi_line_balance": ("balance", "What the SIM's account holds"),
}
# CSQ (3GPP TS 27.007 §8.5): 99 is "not known or not detectable".
_NO_SIGNAL: Final = 99.0
_THROTTLED: Final = "Times the far side said: slower; since the start"
# name of the metric -> (attribute of `AmqpStatus`, help)
_AMQP_GAUGES: Final = {
    "gdemoi_amqp_unsettled": ("unsettled", "Deliveries that wait for their ack"),
    "gdemoi_amqp_held": ("held", "Deliveries that the gateway does not take now"),
    "gdemoi_amqp_unconfirmed": ("unconfirmed", "Publishes without a confirm"),
    "gdemoi_events_behind": ("behind", "Events that are not with the broker"),
    "gdemoi_events_lag_seconds": ("lag_s", "Age of the oldest of them"),
}
_AMQP_COUNTERS: Final = {
    "gdemoi_amqp_taken": ("taken", "Deliveries taken, since the start"),
    "gdemoi_amqp_invalid": ("invalid", "Deliveries refused, since the start"),
    "gdemoi_amqp_published": ("published", "Events confirmed, since the start"),
    "gdemoi_amqp_passed": ("passed", "Events that no queue took, since the start"),
}
_LANE_HISTOGRAMS: Final = {
    "gdemoi_channel_publish_to_submit_seconds": (
        "publish_to_submit",
        "From the acceptance (or not_before) to the first submit",
    ),
    "gdemoi_channel_submit_to_response_seconds": (
        "submit_to_response",
        "From a submit to its answer, or to giving it up",
    ),
}


class Metrics:
    """The figures of one API."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._figures = Figures(at=0.0)
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
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

        # looking a label up costs more than counting
        self._by_status: dict[tuple[str, int], Counter] = {}
        self._by_answer = {
            word: self.messages.labels(word) for word in (*_ANSWERS.values(), _REFUSED)
        }

    def answered(self, method: str, status: int) -> None:
        """Count a request."""
        counter = self._by_status.get((method, status))
        if counter is None:
            counter = self.requests.labels(method, str(status))
            self._by_status[method, status] = counter
        counter.inc()

    def took(self, answers: Sequence[tuple[int, Any]]) -> None:
        """Count the messages of a request by their statuses."""
        for status, count in Counting(status for status, _ in answers).items():
            self._by_answer[_ANSWERS.get(status, _REFUSED)].inc(count)

    async def text(self) -> bytes:
        """Return all figures in Prometheus' text format.

        Those that only the journal knows are absent while it cannot be read.
        """
        self._figures = await self._gateway.figures()
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the figures of the gateway (called by the registry)."""
        figures = self._figures
        kinds = {str(one.get("name")): str(one.get("kind")) for one in figures.channels}
        yield _build()
        ready = GaugeMetricFamily("gdemoi_ready", "1: messages can be taken")
        ready.add_metric([], 0.0 if figures.unready else 1.0)
        yield ready
        events = CounterMetricFamily("gdemoi_events", "Events written")
        events.add_metric([], figures.last_event)
        yield events
        yield from _of_the_journal(figures, kinds)
        yield from _of_channels(figures.channels)
        yield from _of_lanes(figures.lanes, kinds)
        yield from _of_lines(figures.channels)
        yield from _of_budgets(figures.channels)
        yield from _of_the_broker(figures)
        yield from _of_doors(figures.doors)
        yield from _of_callbacks(figures.doors)
        yield _alerts(figures)


_REFUSED: Final = "refused"
_ANSWERS: Final = {202: "accepted", 200: "duplicate", 422: _REFUSED}
_LABELS: Final = ("channel", "kind")
_Family = GaugeMetricFamily | CounterMetricFamily
_Kinds = Mapping[str, str]


def _build() -> Metric:
    reported = {
        "version": version("gdemoi"),
        "python": platform.python_version(),
        "twisted": version("twisted"),
    }
    family = InfoMetricFamily("gdemoi_build", "Which program this is")
    family.add_metric([], reported)
    return family


def _histogram(family: HistogramMetricFamily, labels: list[str], of: Histogram) -> None:
    buckets = [
        (floatToGoString(bound), float(count)) for bound, count in of.cumulative()
    ]
    family.add_metric(labels, buckets, of.sum)


# -- the journal -----------------------------------------------------------


def _of_the_journal(figures: Figures, kinds: _Kinds) -> Iterator[Metric]:
    journal = figures.journal
    commit = HistogramMetricFamily(
        "gdemoi_journal_commit_seconds", "How long a commit took, with its work"
    )
    _histogram(commit, [], journal.commit_s)
    yield commit
    batch = HistogramMetricFamily(
        "gdemoi_journal_batch_size", "Messages and facts that one commit wrote"
    )
    _histogram(batch, [], journal.batch_size)
    yield batch
    came = CounterMetricFamily(
        "gdemoi_channel_messages",
        "Messages that came to a state, since the start",
        labels=(*_LABELS, "state"),
    )
    for (channel, state), count in sorted(
        (((channel or "", str(state)), n) for (channel, state), n in _copy(journal))
    ):
        came.add_metric([channel, kinds.get(channel, ""), state], count)
    yield came
    receipts = HistogramMetricFamily(
        "gdemoi_channel_submit_to_receipt_seconds",
        "From a submit to the receipt that ended its message",
        labels=_LABELS,
    )
    for channel, waits in list(journal.submit_to_receipt.items()):
        _histogram(receipts, [channel, kinds.get(channel, "")], waits)
    yield receipts
    yield from _of_queries(figures, kinds)


def _copy(journal: Any) -> list[tuple[tuple[str | None, MessageState], int]]:
    """Return the counts as they are now: the writing thread goes on counting."""
    return list(journal.states.copy().items())


def _of_queries(figures: Figures, kinds: _Kinds) -> Iterator[Metric]:
    stored = figures.stored
    if stored is None:
        return
    messages = GaugeMetricFamily(
        "gdemoi_messages", "Messages in the journal by state", labels=("state",)
    )
    for state in MessageState:
        messages.add_metric([state], stored.states.get(state, 0))
    yield messages
    unmatched = GaugeMetricFamily(
        "gdemoi_receipts_unmatched", "Receipts about no message that we know"
    )
    unmatched.add_metric([], stored.unmatched)
    yield unmatched
    size = GaugeMetricFamily("gdemoi_journal_size_bytes", "Size of the journal")
    size.add_metric([], stored.octets)
    yield size
    oldest = GaugeMetricFamily(
        "gdemoi_channel_oldest_seconds",
        "How long the oldest message waits that could leave",
        labels=_LABELS,
    )
    for channel, kind in kinds.items():
        oldest.add_metric([channel, kind], stored.oldest_s.get(channel, 0.0))
    yield oldest


# -- channels --------------------------------------------------------------


def _of_channels(channels: Sequence[Mapping[str, Any]]) -> Iterator[Metric]:
    yield _states(channels)
    for name, (key, text) in _GAUGES.items():
        yield _filled(GaugeMetricFamily(name, text, labels=_LABELS), channels, key)
    throttled = CounterMetricFamily(
        "gdemoi_channel_throttled", _THROTTLED, labels=_LABELS
    )
    yield _filled(throttled, channels, "throttled")
    yield _refused_senders(channels)
    binds = GaugeMetricFamily(
        "gdemoi_channel_binds", "Binds that the settings ask for", labels=_LABELS
    )
    bound = GaugeMetricFamily(
        "gdemoi_channel_binds_up", "Binds that are up", labels=_LABELS
    )
    for channel in channels:
        known = channel.get("binds")
        if known is not None:
            up = len([one for one in known if one.get("state") == ChannelState.UP])
            binds.add_metric(_labels(channel), len(known))
            bound.add_metric(_labels(channel), up)
    yield binds
    yield bound


def _of_lanes(lanes: Mapping[str, LaneFigures], kinds: _Kinds) -> Iterator[Metric]:
    named = [([name, kinds.get(name, "")], lane) for name, lane in lanes.items()]
    sent = CounterMetricFamily(
        "gdemoi_channel_sent",
        "Messages that the far side has taken, since the start",
        labels=_LABELS,
    )
    submits = CounterMetricFamily(
        "gdemoi_channel_submits",
        "Answers to submits by status, since the start",
        labels=(*_LABELS, "status"),
    )
    inbound = CounterMetricFamily(
        "gdemoi_channel_inbound",
        "SMS and segments that came in, since the start",
        labels=_LABELS,
    )
    for labels, lane in named:
        sent.add_metric(labels, lane.accepted)
        inbound.add_metric(labels, lane.inbound)
        for status, count in lane.statuses().items():
            submits.add_metric([*labels, status], count)
    yield from (sent, submits, inbound)
    for name, (attribute, text) in _LANE_HISTOGRAMS.items():
        family = HistogramMetricFamily(name, text, labels=_LABELS)
        for labels, lane in named:
            _histogram(family, labels, getattr(lane, attribute))
        yield family


def _labels(channel: Mapping[str, Any]) -> list[str]:
    return [str(channel.get("name")), str(channel.get("kind"))]


def _filled(
    family: _Family, channels: Sequence[Mapping[str, Any]], key: str
) -> _Family:
    for channel in channels:
        value = number(channel.get(key))
        if value is not None:
            family.add_metric(_labels(channel), value)
    return family


def number(value: Any) -> float | None:
    """Return a figure that a channel tells, None when it is none."""
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
        value = _UP.get(str(channel.get("state")), 0.0)
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


# -- lines and the broker --------------------------------------------------


def _of_lines(channels: Sequence[Mapping[str, Any]]) -> Iterator[Metric]:
    lines = [
        ([str(channel.get("name")), str(line.get("name"))], line)
        for channel in channels
        for line in channel.get("lines") or ()
    ]
    labels = ("channel", "line")
    up = GaugeMetricFamily("gdemoi_line_up", "1: the GSM line is up", labels=labels)
    for names, line in lines:
        up.add_metric(names, 1.0 if line.get("state") == ChannelState.UP else 0.0)
    yield up
    for name, (key, text) in _LINE_GAUGES.items():
        family = GaugeMetricFamily(name, text, labels=labels)
        for names, line in lines:
            value = number(line.get(key))
            unknown = key == "signal" and value == _NO_SIGNAL
            if value is not None and not unknown:
                family.add_metric(names, value)
        yield family


def _of_budgets(channels: Sequence[Mapping[str, Any]]) -> Iterator[Metric]:
    """Yield what lines have sent of their budgets, and what they may."""
    labels = ("channel", "line", "unit")
    for name, key, text in (
        ("gdemoi_line_budget_used", "used", "SMS of the present hour, day or month"),
        ("gdemoi_line_budget_limit", "limit", "SMS that it may have"),
    ):
        family = GaugeMetricFamily(name, text, labels=labels)
        for channel in channels:
            for line in channel.get("lines") or ():
                for unit, row in (line.get("budget") or {}).items():
                    if isinstance(row, Mapping):
                        names = [str(channel.get("name")), str(line.get("name")), unit]
                        family.add_metric(names, row[key])
        yield family


def _alerts(figures: Figures) -> Metric:
    family = GaugeMetricFamily(
        "gdemoi_alert_firing",
        "1: an alert of the gateway's own is on",
        labels=("alert", "subject"),
    )
    for one in figures.alerts:
        family.add_metric([str(one["name"]), str(one["subject"])], 1.0)
    return family


def _of_the_broker(figures: Figures) -> Iterator[Metric]:
    broker = figures.amqp
    if broker is None:
        return
    up = GaugeMetricFamily("gdemoi_amqp_up", "1: connected to a broker")
    up.add_metric([], 1.0 if broker.state == "up" else 0.0)
    yield up
    blocked = GaugeMetricFamily("gdemoi_amqp_blocked", "1: it takes no publishes")
    blocked.add_metric([], 0.0 if broker.blocked is None else 1.0)
    yield blocked
    for name, (attribute, text) in _AMQP_GAUGES.items():
        gauge = GaugeMetricFamily(name, text)
        gauge.add_metric([], getattr(broker, attribute))
        yield gauge
    for name, (attribute, text) in _AMQP_COUNTERS.items():
        counter = CounterMetricFamily(name, text)
        counter.add_metric([], getattr(broker, attribute))
        yield counter


# -- doors -----------------------------------------------------------------


# (kind of door, name of the metric, key of its description, help); a dictionary is
# told by its words, a list by its length
_DOOR_GAUGES: Final = (
    ("smpp-server", "gdemoi_smpp_server_connections", "connections", "Connections"),
    ("smpp-server", "gdemoi_smpp_server_bound", "bound", "Connections that are bound"),
    ("smpp-client", "gdemoi_smpp_client_sessions", "sessions", "Sessions"),
    (
        "smpp-client",
        "gdemoi_smpp_client_waiting",
        "waiting",
        "Receipts and inbound SMS in memory that the client has not acknowledged",
    ),
    ("account", "gdemoi_account_today", "today", "Messages of the day, where limited"),
)
_DOOR_COUNTERS: Final = (
    (
        "smpp-server",
        "gdemoi_smpp_server_refused",
        "refused",
        "Connections and binds refused, and odd requests, since the start",
    ),
    (
        "smpp-client",
        "gdemoi_smpp_client_submitted",
        "submitted",
        "Submits that were taken, since the start",
    ),
    (
        "smpp-client",
        "gdemoi_smpp_client_refused",
        "refused",
        "Requests that were refused by command_status, since the start",
    ),
    (
        "smpp-client",
        "gdemoi_smpp_client_delivered",
        "delivered",
        "Receipts and inbound SMS that were acknowledged, since the start",
    ),
    (
        "smpp-client",
        "gdemoi_smpp_client_given_up",
        "given_up",
        "Receipts and inbound SMS that were given up, since the start",
    ),
    (
        "account",
        "gdemoi_account_taken",
        "taken",
        "Messages that were taken, since the start",
    ),
    (
        "account",
        "gdemoi_account_refused",
        "refused",
        "Messages over a limit, since the start",
    ),
)


def _of_doors(doors: Sequence[Mapping[str, Any]]) -> Iterator[Metric]:
    if not doors:
        return
    for kind, name, key, text in _DOOR_GAUGES:
        yield _of_door(
            GaugeMetricFamily(name, text, labels=("name",)), doors, kind, key
        )
    for kind, name, key, text in _DOOR_COUNTERS:
        labels = ("name", "why") if key == "refused" else ("name",)
        yield _of_door(CounterMetricFamily(name, text, labels=labels), doors, kind, key)


_CALLING: Final = frozenset({"webhook", "kannel", "jasmin", "door-alias"})
_CALLBACK_COUNTERS: Final = (
    ("gdemoi_callbacks_delivered", "delivered", "Callbacks that were taken"),
    ("gdemoi_callbacks_failed", "failed", "Tries of callbacks that failed"),
    ("gdemoi_callbacks_given_up", "given_up", "Callbacks that were given up"),
)


def _of_callbacks(doors: Sequence[Mapping[str, Any]]) -> Iterator[Metric]:
    """Tell of sections that call platforms, by their labels."""
    calling = [
        (f"{door['kind']}:{door['name']}", door)
        for door in doors
        if door.get("kind") in _CALLING and "state" in door
    ]
    if not calling:
        return
    up = GaugeMetricFamily(
        "gdemoi_callbacks_up", "1: the far side takes callbacks", labels=("section",)
    )
    waiting = GaugeMetricFamily(
        "gdemoi_callbacks_waiting",
        "Events in memory that the far side has not taken",
        labels=("section",),
    )
    for label, door in calling:
        up.add_metric([label], door["state"] == "up")
        waiting.add_metric([label], door["waiting"])
    yield from (up, waiting)
    for name, key, text in _CALLBACK_COUNTERS:
        family = CounterMetricFamily(
            name, f"{text}, since the start", labels=("section",)
        )
        for label, door in calling:
            family.add_metric([label], door[key])
        yield family


def _of_door(
    family: _Family, doors: Sequence[Mapping[str, Any]], kind: str, key: str
) -> _Family:
    for door in doors:
        value = door.get(key) if door.get("kind") == kind else None
        name = str(door.get("name"))
        if isinstance(value, Mapping):
            for word, count in sorted(value.items()):
                family.add_metric([name, word], count)
        elif value is not None:
            count = len(value) if isinstance(value, list) else value
            family.add_metric([name], count)
    return family
