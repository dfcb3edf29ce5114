"""The SIM ports of one device: which may send, and which is next.

Outlives connections, so that the interval between two SMS of a SIM holds across
a reconnection.  Yeastar: not faster than one SMS per 10 s per port.  Time is an
argument; nothing here is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from attrs import define, field

from gdemoi.yeastar.answers import SpanDetails, trouble_of

# A port that refused an SMS is left alone for so long, longer when it was for want
# of a permission; one that gave no result rests as long as any SIM does at first.
# Twice as long for each time since its last success, a quarter of an hour at most.
REFUSED_S = 60.0
FORBIDDEN_S = 300.0
SILENT_S = 10.0
LONGEST_REST_S = 900.0
NOTHING_TOLD = SpanDetails()


@define
class Port:
    """One SIM, numbered as printed on the case."""

    number: int
    span: int
    phone: str | None = None
    status: str | None = None
    trouble: str | None = None
    details: SpanDetails = NOTHING_TOLD
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
        told = self.details
        return {
            "name": str(self.number),
            "state": "down" if why else "up" if known else "unknown",
            "reason": why or "",
            "number": self.phone,
            "span": self.span,
            "status": self.status,
            "signal": told.signal,
            "operator": told.operator,
            "registration": told.registration,
            "imsi": told.imsi,
            "imei": told.imei,
            "smsc": told.smsc,
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
    ) -> None:
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
        self.by_number[number] = port
        return port

    # -- what the device tells ----------------------------------------------

    def told(self, spans: dict[int, str]) -> list[Port]:
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

    def ready(self, now: float) -> int:
        """Return how many SMS could leave now."""
        return sum(port.ready(now) for port in self.by_number.values())

    def choose(
        self, now: float, only: Collection[int], without: Collection[int]
    ) -> Port | None:
        """Return the ready port that has rested longest."""
        ready = [
            port
            for number, port in self.by_number.items()
            if port.ready(now)
            and number not in without
            and (not only or number in only)
        ]
        return min(
            ready,
            key=lambda port: (port.last_used, port.sent, port.number),
            default=None,
        )

    def hope(self, now: float, only: Collection[int], without: Collection[int]) -> bool:
        """Whether a port that may be used for this is only busy or resting."""
        return any(
            port.unusable(now) is None
            and number not in without
            and (not only or number in only)
            for number, port in self.by_number.items()
        )

    def next_change(self, now: float) -> float | None:
        """Return when the next resting or blocked port may be ready."""
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
        """An SMS of so many segments leaves: the SIM rests after it."""
        port.last_used = now
        port.free_at = now + self.interval_s * segments

    def end(self, port: Port) -> None:
        """The SMS on this port is settled."""
        port.busy = False

    def block(self, port: Port, why: str, first_s: float, now: float) -> None:
        """Leave a port alone for a while, longer each time."""
        rest_s = min(LONGEST_REST_S, first_s * 2.0 ** min(port.troubles, 10))
        port.troubles += 1
        port.blocked_until = now + rest_s
        port.blocked_why = why

    def works(self, port: Port) -> None:
        """The port sent an SMS: what it failed at before is forgotten."""
        port.troubles = 0
        port.blocked_until = 0.0
