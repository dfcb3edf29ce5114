"""The budgets of a lane's lines, from the intent to the outcome.

A channel whose lines have budgets (`IBudgeted`) chooses the line before the intent is
written.  The intent counts the message there, in its own commit; a refusal, which
proves that nothing left, takes it off again in the commit of the outcome.  What is
accepted or uncertain stays counted, and so does an intent that a crash left open.  Of
what has left in part the whole stays counted.
"""

from __future__ import annotations

from gdemoi.facts import Spend
from gdemoi.interfaces import EncodedMessage, IBudgeted, IChannel, IJournal
from gdemoi.kit.budgets import KeepAlive
from gdemoi.message import Outcome, Refused
from gdemoi.routing.ready_queue import QueueEntry


class LineBudgets:
    """What a lane asks of the budgets of its channel; without any, all is allowed."""

    def __init__(self, channel: IChannel) -> None:
        self._channel: IBudgeted | None = None
        if IBudgeted.providedBy(channel) and IBudgeted(channel).has_budgets:
            self._channel = IBudgeted(channel)
        self._name = channel.name
        self._told: dict[str, str] = {}

    @property
    def used(self) -> bool:
        """Whether any line has a budget."""
        return self._channel is not None

    async def load(self, journal: IJournal) -> None:
        """Read what was sent before; raises `Unavailable`."""
        if self._channel is not None:
            self._channel.budgets.load(await journal.spent(self._name))

    def spent(self, prepared: EncodedMessage, now: float) -> Refused | None:
        """Return why no line may send it at `now`, None when one may."""
        return None if self._channel is None else self._channel.spent(prepared, now)

    def reserve(self, entry: QueueEntry) -> Refused | None:
        """Count a message that is about to leave; return why it may not, if so."""
        if self._channel is None or entry.prepared is None:
            return None
        reserved = self._channel.reserve(entry.prepared)
        if isinstance(reserved, Refused):
            return reserved
        entry.spends = reserved
        return None

    def release(self, entry: QueueEntry) -> None:
        """It is not handed to the channel; its outcome follows."""
        if self._channel is not None and entry.prepared is not None:
            self._channel.release(entry.prepared)

    def not_begun(self, entry: QueueEntry) -> None:
        """Its intent was not written, and so not counted."""
        if self._channel is not None:
            self.release(entry)
            self._channel.budgets.give_back(entry.spends)
            entry.spends = ()

    def returned(self, entry: QueueEntry, outcome: Outcome) -> tuple[Spend, ...]:
        """Return what an outcome gives back."""
        proven = isinstance(outcome, Refused) and outcome.progress is None
        return entry.spends if proven else ()

    def ended(self, entry: QueueEntry, outcome: Outcome) -> tuple[Spend, ...]:
        """Give back what an outcome proves not to have left, and return it."""
        returned = self.returned(entry, outcome)
        if returned and self._channel is not None:
            self._channel.budgets.give_back(returned)
            entry.spends = ()
        return returned

    def keepalives(self, now: float) -> list[KeepAlive]:
        """Return the SMS that lines need so that their SIMs do not expire."""
        channel = self._channel
        return [] if channel is None else channel.budgets.keepalives(now)

    def ask_again(self) -> None:
        """Hear that these could not be taken."""
        if self._channel is not None:
            self._channel.budgets.ask_again()

    def changed(self, now: float) -> set[str]:
        """Return the lines that reached a limit since the last call, or left one."""
        if self._channel is None:
            return set()
        told, self._told = self._told, self._channel.budgets.standings(now)
        lines = told.keys() | self._told.keys()
        return {line for line in lines if told.get(line) != self._told.get(line)}
