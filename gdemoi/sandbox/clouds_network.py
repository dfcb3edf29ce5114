"""What lies behind the sandbox clouds: networks, phones, and how they misbehave.

Everything is a value or a timer of the given clock; nothing here knows HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Final

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

from gdemoi.message import Charset
from gdemoi.text import gsm7
from gdemoi.text.segments import count

# What may happen to one send, in place of "ok".  `lost`: taken, and the connection
# is broken without an answer.  `early`: the receipt comes before the answer.
BEHAVIOURS: Final = (
    "ok",
    "429",
    "500",
    "slow",
    "reset",
    "huge",
    "redirect",
    "html",
    "lost",
    "early",
    "partial",
)
# How receipts go wrong.
RECEIPTS: Final = ("once", "doubled", "disordered")

Phone = Callable[[str], tuple[str, float] | None]


def tracker(text: str) -> tuple[str, float] | None:
    """A tracker answers what ends in a question mark: (text, after seconds)."""
    if not text.endswith("?"):
        return None
    return f"{text[:-1]}: ok, 55.7558N 37.6173E, Внуково", 1.0


def silent(text: str) -> tuple[str, float] | None:
    """A phone that answers nothing."""
    return None


@define(eq=False)
class CloudSms:
    """One message that a provider took; `state` is in our neutral words."""

    id: str
    to: str
    from_: str
    text: str
    at: float
    number: int
    reference: str = ""
    callback: str | None = None
    inbound: bool = False
    # the id of the message that a phone answers with this one
    answers: str = ""
    state: str = "accepted"
    done_at: float | None = None

    @property
    def parts(self) -> int:
        """How many segments the text takes."""
        charset = Charset.GSM8 if gsm7.fits(self.text) else Charset.UCS2
        return count(self.text, charset)


@define(eq=False)
class PhoneNetwork:
    """Carries messages to phones; the phone's answers come back.

    `on_state(sms)` is called when a message's state changes, `answered(sms)` with what
    a phone sent.
    """

    clock: IReactorTime
    delay_s: float = 1.0
    phone: Phone = tracker
    unreachable: frozenset[str] = frozenset()
    receipts: str = "once"
    sent: list[CloudSms] = field(factory=list)

    def carry(
        self,
        sms: CloudSms,
        on_state: Callable[[CloudSms], None],
        answered: Callable[[CloudSms], None],
    ) -> None:
        """Take a message to its phone."""
        self.sent.append(sms)
        last = "undelivered" if sms.to in self.unreachable else "delivered"
        sent_after, last_after = self.delay_s / 2, self.delay_s
        if self.receipts == "disordered":
            sent_after, last_after = last_after, sent_after
        self.clock.callLater(sent_after, self._become, sms, "sent", on_state)
        self.clock.callLater(last_after, self._become, sms, last, on_state)
        if last == "delivered":
            self._let_answer(sms, answered)

    def _become(
        self, sms: CloudSms, state: str, on_state: Callable[[CloudSms], None]
    ) -> None:
        """Tell a state; the books keep the last word, whatever the order."""
        kept = sms.state
        sms.state = state
        for _ in range(2 if self.receipts == "doubled" else 1):
            on_state(sms)
        if kept in ("delivered", "undelivered"):
            sms.state = kept
        elif state != "sent":
            sms.done_at = self.clock.seconds()

    def _let_answer(self, sms: CloudSms, answered: Callable[[CloudSms], None]) -> None:
        answer = self.phone(sms.text)
        if answer is None:
            return
        text, after_s = answer

        def send() -> None:
            reply = CloudSms(
                id="",
                to=sms.from_,
                from_=sms.to,
                text=text,
                at=self.clock.seconds(),
                number=0,
                inbound=True,
                answers=sms.id,
                state="received",
            )
            answered(reply)

        self.clock.callLater(self.delay_s + after_s, send)


class Behaviour:
    """What happens to the sends, one word after the other.

    Words that were pushed come first; then the configured ones, round and round.
    """

    def __init__(self, words: tuple[str, ...] = ("ok",)) -> None:
        self._pushed: list[str] = []
        self._words = cycle(words or ("ok",))

    def push(self, *words: str) -> None:
        """Let these happen to the next sends."""
        self._pushed += words

    def next(self) -> str:
        """Return what happens to this send."""
        return self._pushed.pop(0) if self._pushed else next(self._words)
