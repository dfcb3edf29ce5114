"""How a provider's account is, judged by its answers.

A refusal that speaks of the account stops the channel for a while that doubles;
silence makes it degraded; an accepted message mends everything.  Pure.
"""

from __future__ import annotations

from typing import Final

from gdemoi.message import Accepted, ChannelState, Outcome, Refused, Scope

# How long a broken account is left alone; doubles while it stays broken.
HALT_FIRST_S: Final = 60.0
HALT_LAST_S: Final = 3600.0
# So many failures to reach the provider in a row make the channel degraded.
SILENT_TRIES: Final = 3


class Health:
    """State and reason of a channel (docs/events.rst, "Channels and lines")."""

    def __init__(self) -> None:
        self.state = ChannelState.UP
        self.reason = ""
        self._until = 0.0
        self._halt_s = HALT_FIRST_S
        self._silent = 0

    def unable(self, now: float) -> str | None:
        """Return why the account is left alone now."""
        return self.reason if now < self._until else None

    def learn(self, outcome: Outcome, now: float) -> bool:
        """Take an answer in; True when state or reason changed."""
        self._silent = 0
        heard = False
        if self.state == ChannelState.DEGRADED:
            # it was only silent
            heard = self._become(ChannelState.UP, "")
        if isinstance(outcome, Refused):
            if outcome.scope is not Scope.CHANNEL_HALTED:
                return heard
            self._until = now + self._halt_s
            self._halt_s = min(self._halt_s * 2, HALT_LAST_S)
            return self._become(
                ChannelState.DOWN, f"{outcome.error.code}: {outcome.error.text}"
            )
        if isinstance(outcome, Accepted):
            self._until, self._halt_s = 0.0, HALT_FIRST_S
            return self._become(ChannelState.UP, "") or heard
        return heard

    def end_halt(self) -> bool:
        """Someone acted: try again at once; True when that changed something."""
        self._until, self._halt_s, self._silent = 0.0, HALT_FIRST_S, 0
        return self._become(ChannelState.UP, "")

    def silence(self, why: str, *, lasting: bool = False) -> bool:
        """Take note that no answer came; True when that changed something.

        `lasting`: nor will one the next time, so that it is told at once.
        """
        self._silent += 1
        if self.state != ChannelState.UP or not (
            lasting or self._silent >= SILENT_TRIES
        ):
            return False
        return self._become(ChannelState.DEGRADED, why)

    def _become(self, state: ChannelState, reason: str) -> bool:
        changed = (state, reason) != (self.state, self.reason)
        self.state, self.reason = state, reason
        return changed
