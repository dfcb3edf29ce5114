"""Asking a TG for the state of its ports, and taking in what it says.

``gsm show spans`` tells which ports are up, ``gsm show span N`` signal, operator
and SIM.  Not all firmware knows both; what is not told stays as it was.
"""

from __future__ import annotations

from typing import Final

from gdemoi.yeastar.action_queue import Action, ActionPurpose, sms_command
from gdemoi.yeastar.ami import AmiBlock
from gdemoi.yeastar.answers import details_of, spans_of
from gdemoi.yeastar.ports import Port, Ports

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

    def told_spans(self, block: AmiBlock) -> tuple[list[int] | None, list[Action]]:
        """Take in the spans; return the ports that changed, and what to ask next.

        None when the device told no spans.
        """
        self._ports.silences.pop(ActionPurpose.SPANS.value, None)
        spans = spans_of(block.output or "")
        if not spans:
            return None, []
        known = bool(self._ports.by_number)
        changed = [port.number for port in self._ports.told(spans)]
        if known:
            return changed, []
        return changed, self._details([port.span for port in self._all()])

    def told_details(self, span: int, block: AmiBlock) -> None:
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
