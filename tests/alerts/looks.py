"""Observations of a gateway, made by hand: what alerts look at."""

from __future__ import annotations

from collections import Counter
from typing import Any

from gdemoi.alerts.conditions import Observation
from gdemoi.contract.figures import (
    AmqpStatus,
    Figures,
    JournalFigures,
    StoredFigures,
)
from gdemoi.message import MessageState

NOW = 1_795_000_000.0


def channel(name: str = "smsc", state: str = "up", **told: Any) -> dict[str, Any]:
    """Return a channel as the gateway describes it."""
    return {"name": name, "kind": "smpp", "state": state, "reason": "", **told}


def line(name: str = "l1", state: str = "up", **told: Any) -> dict[str, Any]:
    """Return a line of one."""
    return {"name": name, "state": state, "reason": "", **told}


def broker(state: str = "up", **told: Any) -> AmqpStatus:
    """Return how the broker's side stands."""
    given: dict[str, Any] = {
        "state": state, "reason": "", "broker": "mq:5672", "blocked": None,
        "taken": 0, "invalid": 0, "unsettled": 0, "held": 0, "published": 0,
        "passed": 0, "unconfirmed": 0, "behind": 0, "stuck": None,
    }  # fmt: skip
    return AmqpStatus(**(given | told))


def look(
    *channels: dict[str, Any],
    at: float = NOW,
    ended: dict[str, tuple[int, int]] | None = None,
    disk_free: tuple[str, int] | None = None,
    certificates: tuple[tuple[str, float], ...] = (),
    oldest_s: dict[str, float] | None = None,
    **figures: Any,
) -> Observation:
    """Return a look; `ended`: how many each channel delivered, and did not, so far."""
    journal = JournalFigures()
    journal.states = Counter()
    for name, (good, bad) in (ended or {}).items():
        journal.states[name, MessageState.DELIVERED] = good
        journal.states[name, MessageState.UNDELIVERED] = bad
    figures.setdefault("stored", StoredFigures(oldest_s=oldest_s or {}))
    return Observation(
        Figures(at=at, channels=channels, journal=journal, **figures),
        disk_free,
        certificates,
    )
