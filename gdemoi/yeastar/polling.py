"""Asking a TG for the state of its ports, and taking in what it says.

``gsm show spans`` tells which ports are up, ``gsm show span N`` signal, operator
and SIM.  Not all firmware knows both; what is not told stays as it was.
"""

from __future__ import annotations

from typing import Final

from gdemoi.yeastar.ami import Block
from gdemoi.yeastar.answers import details_of, spans_of
from gdemoi.yeastar.dialogue import Action, Purpose, sms_command
from gdemoi.yeastar.ports import Port, Ports

# Details of so many ports are asked with each poll, in turn.
DETAILS_AT_ONCE: Final = 4


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

    def told_spans(self, block: Block) -> tuple[list[int] | None, list[Action]]:
        """Take in the spans; return the ports that changed, and what to ask next.

        None when the device told no spans.
        """
        spans = spans_of(block.output or "")
        if not spans:
            return None, []
        known = bool(self._ports.by_number)
        changed = [port.number for port in self._ports.told(spans)]
        if known:
            return changed, []
        return changed, [self._detail(port.span) for port in self._all()]

    def told_details(self, span: int, block: Block) -> None:
        """Take in what is said of one span."""
        port = self._ports.by_number.get(self._ports.of_span(span))
        if port is not None and block.output:
            port.details = details_of(block.output)

    def _all(self) -> list[Port]:
        return list(self._ports.by_number.values())

    def _questions(self, now: float, spans: list[int]) -> list[Action]:
        self.at = now + self._interval_s
        asked = sms_command(Purpose.SPANS, "gsm show spans", self._limit_s)
        return [asked, *map(self._detail, spans)]

    def _detail(self, span: int) -> Action:
        command = f"gsm show span {span}"
        return sms_command(Purpose.SPAN, command, self._limit_s, span)
