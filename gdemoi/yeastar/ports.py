"""The SIM ports of one device: which may send, which is next, and their polling.

Outlives connections, so that the interval between two SMS of a SIM holds across
a reconnection.  Yeastar: not faster than one SMS per 10 s per port.  Time is an
argument; nothing here is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final

from attrs import define, field

from gdemoi.kit.budgets import Budget
from gdemoi.message import ChannelState
from gdemoi.yeastar.ami import AmiBlock
from gdemoi.yeastar.commands import (
    Action,
    ActionPurpose,
    SpanDetails,
    details_of,
    sms_command,
    spans_of,
    trouble_of,
)

# How long a port is blocked after it refused an SMS, refused it for want of a
# permission, or gave no result (as long as the pause after any SMS).  Twice as long
# for each time since its last success, a quarter of an hour at most.
REFUSED_S = 60.0
FORBIDDEN_S = 300.0
SILENT_S = 10.0
LONGEST_BLOCK_S = 900.0
NO_DETAILS = SpanDetails()


@define
class Port:
    """One SIM, numbered as printed on the case."""

    number: int
    span: int
    phone: str | None = None
    status: str | None = None
    trouble: str | None = None
    details: SpanDetails = NO_DETAILS
    busy: bool = False
    free_at: float = 0.0
    last_used: float = field(default=float("-inf"))
    blocked_until: float = 0.0
    blocked_why: str = ""
    sent: int = 0
    failed: int = 0
    unsure: int = 0
    # how often it failed to do its part since its last success
    troubles: int = 0
    budget: Budget | None = None
    weight: float = 1.0
    # segments that it sent for its weight, as far as that is compared with others
    share: float = 0.0
    # SMS that are about to be submitted here, when their intents are written
    reserved: int = 0

    def unusable(self, now: float) -> str | None:
        """Return why no SMS can go out here, None when one can."""
        if self.trouble is not None:
            return self.trouble
        return self.blocked_why if now < self.blocked_until else None

    def ready(self, now: float) -> bool:
        """Whether an SMS may leave at this moment."""
        return not self.busy and self.free_at <= now and self.unusable(now) is None

    def describe(self, now: float) -> dict[str, object]:
        """Return what an operator wants to see of this line."""
        why = self.unusable(now)
        known = self.status is not None or self.last_used > float("-inf")
        details = self.details
        standing = None if self.budget is None else self.budget.standing(now)
        usable = ChannelState.UP if known else ChannelState.UNKNOWN
        if standing is not None:
            usable = ChannelState.DEGRADED
        spent = "" if standing is None else f"{standing.word} ({standing.text})"
        return {
            "name": str(self.number),
            "state": ChannelState.DOWN if why else usable,
            "reason": why or spent,
            "budget": None if self.budget is None else self.budget.describe(now),
            "number": self.phone,
            "span": self.span,
            "status": self.status,
            "signal": details.signal,
            "operator": details.operator,
            "registration": details.registration,
            "imsi": details.imsi,
            "imei": details.imei,
            "smsc": details.smsc,
            "busy": self.busy,
            "free_in_s": max(0.0, self.free_at - now),
            "sent": self.sent,
            "failed": self.failed,
            "unsure": self.unsure,
        }


class Ports:
    """All ports of a device; without a list, those which the device names."""

    def __init__(
        self,
        numbers: Iterable[int],
        *,
        span_offset: int = 1,
        interval_s: float = 10.0,
        phones: dict[int, str] | None = None,
        cooldown_s: float = 0.0,
        weight_of: Callable[[int], float] = lambda _: 1.0,
        budget_of: Callable[[int], Budget | None] = lambda _: None,
    ) -> None:
        self._cooldown_s = cooldown_s
        self._weight_of = weight_of
        self._budget_of = budget_of
        self.span_offset = span_offset
        self.interval_s = interval_s
        self._phones = phones or {}
        # questions that went unanswered in a row, by kind (see `polling`)
        self.silences: dict[str, int] = {}
        self.by_number: dict[int, Port] = {}
        for number in numbers:
            self._add(number)
        self._listed = bool(self.by_number)

    def _add(self, number: int) -> Port:
        port = Port(number, number + self.span_offset, self._phones.get(number))
        port.budget, port.weight = self._budget_of(number), self._weight_of(number)
        # a port that comes later has not to make up for what others sent
        port.share = max((one.share for one in self.by_number.values()), default=0.0)
        self.by_number[number] = port
        return port

    # -- what the device reports ----------------------------------------------

    def update(self, spans: dict[int, str]) -> list[Port]:
        """Take in ``gsm show spans``; return the ports whose state changed."""
        changed = []
        if not self._listed:
            for span in sorted(spans):
                if span - self.span_offset not in self.by_number:
                    self._add(span - self.span_offset)
        for port in self.by_number.values():
            status = spans.get(port.span)
            was, known = port.trouble, port.status is not None
            port.status = status or "absent"
            port.trouble = (
                trouble_of(status) if status else "the device has no such span"
            )
            if port.trouble != was or not known:
                changed.append(port)
        return changed

    # -- which is next --------------------------------------------------------

    def unable(self, now: float) -> str | None:
        """Return why no port can send, None when one can."""
        if not self.by_number:
            return "the device has not told its ports yet"
        reasons = []
        for port in self.by_number.values():
            why = port.unusable(now)
            if why is None:
                return None
            reasons.append(f"port {port.number}: {why}")
        return "; ".join(reasons)

    def out_of_budget(self, now: float) -> str | None:
        """Return why the budgets let nothing more out, None when one does."""
        reasons = []
        for port in self.by_number.values():
            if port.unusable(now) is not None:
                continue
            spent = None if port.budget is None else port.budget.exhausted(now)
            if spent is None:
                return None
            reasons.append(f"port {port.number}: {spent.text}")
        return "; ".join(reasons) or None

    def ready(self, now: float) -> int:
        """Return how many SMS could leave now."""
        return sum(port.ready(now) for port in self.by_number.values())

    def choose(
        self, now: float, only: Collection[int], without: Collection[int]
    ) -> Port | None:
        """Return the ready port that was used least recently.

        Where ports have different weights: the one that sent least for its own.
        """
        ready = [
            port
            for number, port in self.by_number.items()
            if port.ready(now)
            and number not in without
            and (not only or number in only)
        ]
        weighted = len({port.weight for port in self.by_number.values()}) > 1

        def rank(port: Port) -> tuple[float, float, int, int]:
            share = port.share if weighted else 0.0
            return share, port.last_used, port.sent, port.number

        return min(ready, key=rank, default=None)

    def choose_early(
        self, now: float, only: Collection[int], without: Collection[int]
    ) -> Port | None:
        """Return the port for an SMS that comes soon, and to which others may come.

        The ready one that is next, without those that are chosen so already; else
        the usable one that is free first.
        """
        chosen = {n for n, port in self.by_number.items() if port.reserved}
        port = self.choose(now, only, chosen.union(without))
        if port is not None:
            return port
        usable = [
            port
            for number, port in self.by_number.items()
            if port.unusable(now) is None
            and number not in without
            and (not only or number in only)
        ]
        return min(
            usable,
            key=lambda port: (port.reserved + port.busy, port.free_at, port.number),
            default=None,
        )

    def has_candidate(
        self, now: float, only: Collection[int], without: Collection[int]
    ) -> bool:
        """Whether a usable port will be ready before long: it is busy or pausing."""
        return any(
            port.unusable(now) is None
            and number not in without
            and (not only or number in only)
            for number, port in self.by_number.items()
        )

    def next_change(self, now: float) -> float | None:
        """Return when the next pausing or blocked port may be ready."""
        times = [
            max(port.free_at, port.blocked_until)
            for port in self.by_number.values()
            if not port.busy and port.trouble is None
        ]
        return min((at for at in times if at > now), default=None)

    def of_span(self, span: int) -> int:
        """Return the port number of a span."""
        return span - self.span_offset

    # -- what happens on them -------------------------------------------------

    def begin(self, port: Port) -> None:
        """Reserve a port for an SMS that is about to be written."""
        port.busy = True

    def written(self, port: Port, segments: int, now: float) -> None:
        """An SMS of so many segments leaves: the SIM pauses after it."""
        port.last_used = now
        port.free_at = now + self.interval_s * segments
        port.share += segments / port.weight

    def end(self, port: Port, now: float | None = None) -> None:
        """The SMS on this port is settled, at `now` if it was written."""
        port.busy = False
        if now is not None:
            port.free_at = max(port.free_at, now + self._cooldown_s)

    def block(self, port: Port, why: str, first_s: float, now: float) -> None:
        """Use a port no more for a while, longer each time."""
        pause_s = min(LONGEST_BLOCK_S, first_s * 2.0 ** min(port.troubles, 10))
        port.troubles += 1
        port.blocked_until = now + pause_s
        port.blocked_why = why

    def works(self, port: Port) -> None:
        """The port has sent an SMS: forget its failures, and the block."""
        port.troubles = 0
        port.blocked_until = 0.0


# -- polling -----------------------------------------------------------------
# ``gsm show spans`` prints which ports are up, ``gsm show span N`` signal, operator
# and SIM.  Not all firmware knows both; what is not printed stays as it was.

# Details of so many ports are asked with each poll, in turn.
DETAILS_AT_ONCE: Final = 4
# A question that ended so many connections in a row by its silence is not asked
# again: some firmware may not know it.
SILENCES_LIMIT: Final = 3


class Polling:
    """When the ports are asked about, and for which of them details."""

    def __init__(self, ports: Ports, interval_s: float, limit_s: float) -> None:
        self.at: float | None = None
        self._ports = ports
        self._interval_s = interval_s
        self._limit_s = limit_s
        self._next = 0

    def first(self, now: float) -> list[Action]:
        """Return what to ask after the login: everything, if anything at all."""
        if not self._interval_s:
            return []
        return self._questions(now, [port.span for port in self._all()])

    def due(self, now: float) -> list[Action]:
        """Return what to ask now: mostly nothing."""
        if self.at is None or now < self.at:
            return []
        spans = [port.span for port in self._all()]
        start = self._next % len(spans) if spans else 0
        self._next = start + DETAILS_AT_ONCE
        return self._questions(now, (spans[start:] + spans[:start])[:DETAILS_AT_ONCE])

    def silent(self, one: Action) -> None:
        """A question of ours was not answered at all."""
        kind = one.purpose.value
        self._ports.silences[kind] = self._ports.silences.get(kind, 0) + 1

    def on_spans(self, block: AmiBlock) -> tuple[list[int] | None, list[Action]]:
        """Take in the spans; return the ports that changed, and what to ask next.

        None when the device printed no spans.
        """
        self._ports.silences.pop(ActionPurpose.SPANS.value, None)
        spans = spans_of(block.output or "")
        if not spans:
            return None, []
        known = bool(self._ports.by_number)
        changed = [port.number for port in self._ports.update(spans)]
        if known:
            return changed, []
        return changed, self._details([port.span for port in self._all()])

    def on_details(self, span: int, block: AmiBlock) -> None:
        """Take in what is said of one span."""
        self._ports.silences.pop(ActionPurpose.SPAN.value, None)
        port = self._ports.by_number.get(self._ports.of_span(span))
        if port is not None and block.output:
            port.details = details_of(block.output)

    def _all(self) -> list[Port]:
        return list(self._ports.by_number.values())

    def _questions(self, now: float, spans: list[int]) -> list[Action]:
        self.at = now + self._interval_s
        asked = self._details(spans)
        if self._answers(ActionPurpose.SPANS):
            limit_s = self._limit_s
            asked.insert(0, sms_command(ActionPurpose.SPANS, "gsm show spans", limit_s))
        return asked

    def _details(self, spans: list[int]) -> list[Action]:
        if not self._answers(ActionPurpose.SPAN):
            return []
        return [
            sms_command(
                ActionPurpose.SPAN, f"gsm show span {span}", self._limit_s, span
            )
            for span in spans
        ]

    def _answers(self, purpose: ActionPurpose) -> bool:
        return self._ports.silences.get(purpose.value, 0) < SILENCES_LIMIT
