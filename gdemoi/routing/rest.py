"""How long a lane leaves its channel alone, and why.

There are two kinds.  A rest that was asked for (Retry-After, a halt, a journal that
cannot write) lasts its time.  One that came of a way that is absent lasts until the
channel tells that it is there again; its time is only for want of such a word.
Pure: times are epoch seconds.
"""

from __future__ import annotations

from attrs import define, field


@define
class _Span:
    until: float = 0.0
    why: str = ""

    def begin(self, until: float, why: str) -> None:
        """Begin, unless it lasts longer already."""
        if until >= self.until:
            self.until, self.why = until, why


@define
class Rest:
    """The rest of one lane."""

    # when it ends; in the past: there is none
    until: float = field(default=0.0, init=False)
    _asked: _Span = field(factory=_Span, init=False)
    _absent: _Span = field(factory=_Span, init=False)

    def _changed(self) -> None:
        self.until = max(self._asked.until, self._absent.until)

    def begin(self, why: str, until: float, *, until_able: bool = False) -> None:
        """Rest until then; a longer rest is not shortened by a shorter one."""
        (self._absent if until_able else self._asked).begin(until, why)
        self._changed()

    def reason(self, now: float) -> str | None:
        """Return why nothing leaves now, None: there is no rest."""
        for span in (self._asked, self._absent):
            if span.until > now:
                return span.why
        return None

    def able(self, now: float) -> bool:
        """The way is there again; True when a rest ended by that."""
        resting = self.until > now
        self._absent.until = 0.0
        self._changed()
        return resting and self.until <= now

    def lift(self) -> None:
        """End it, whatever it came of: someone acted."""
        self._asked.until = self._absent.until = self.until = 0.0
