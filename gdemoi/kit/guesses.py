"""Who guesses passwords: addresses with too many wrong ones lately have to wait."""

from __future__ import annotations

from collections import deque
from typing import Final

from gdemoi.kit.recent import Recent

# Wrong credentials of one address within so long, and it has to wait as long.
FAILURES: Final = 10
LOCKED_S: Final = 60.0
# Addresses whose failures are remembered.
_REMEMBERED: Final = 10_000


class Guesses:
    """The wrong credentials of each address; `now` is in seconds."""

    def __init__(self) -> None:
        self._failures: Recent[str, deque[float]] = Recent(_REMEMBERED)

    def failed(self, host: str, now: float) -> None:
        """Remember that an address had the wrong credentials."""
        times = self._failures.get(host) or deque(maxlen=FAILURES)
        times.append(now)
        self._failures[host] = times

    def is_locked(self, host: str, now: float) -> bool:
        """Tell whether an address has guessed too often lately."""
        times = self._failures.get(host)
        return (
            times is not None and len(times) == FAILURES and now - times[0] < LOCKED_S
        )
