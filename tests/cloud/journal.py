"""A cloud channel above a real journal, to see what becomes of messages."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.facts import Acceptance, AttemptEnded, Decision, Hold, Submitted
from gdemoi.journal import Journal
from gdemoi.message import Accepted, Inbound, Outbound, Receipt, ReceiptMatch, Uncertain
from tests.cloud.net import ChannelRig, EventsRecorder


class JournalRecorder(EventsRecorder):
    """Writes into a journal, and remembers what it wrote."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal

    def receipt(self, receipt: Receipt) -> Deferred[ReceiptMatch | None]:
        """Write a receipt down."""
        if self.down:
            return super().receipt(receipt)
        self.receipts.append(receipt)
        return self._journal.receipt(receipt)

    def inbound(self, inbound: Inbound) -> Deferred[None]:
        """Write an inbound message down."""
        if self.down:
            return super().inbound(inbound)
        self.inbounds.append(inbound)
        return self._journal.inbound(inbound).addCallback(lambda _: None)


class JournalTestCase(SynchronousTestCase):
    """What the platform is told, out of what the provider does."""

    rig: ChannelRig
    journal: Journal

    def open(self, settings: Any, **changes: Any) -> ChannelRig:
        """Start a channel above a journal in memory."""
        self.rig = ChannelRig(settings, **changes)
        self.net = self.rig.net
        self.journal = Journal("sqlite://", self.net.clock, inline=True)
        self.successResultOf(self.journal.open())
        self.addCleanup(self.journal.close)
        self.rig.recorder = JournalRecorder(self.journal)
        self.rig.start()
        return self.rig

    def send(self, sms: Outbound) -> Any:
        """Accept, submit and note the outcome, as the dispatcher does."""
        channel = self.rig.channel
        accepted = Acceptance(sms, b"f", channel.name, attempting=True)
        self.successResultOf(self.journal.accept([accepted]))
        outcome = self.rig.submit(sms)
        assert outcome is not None
        following: Decision = Hold(self.net.clock.seconds() + 120)
        if isinstance(outcome, Accepted):
            following = Submitted(final=not outcome.receipt_expected)
        if isinstance(outcome, (Accepted, Uncertain)):
            answered = AttemptEnded(
                sms.id,
                1,
                channel.name,
                channel.account,
                outcome,
                following,
                self.net.clock.seconds(),
            )
            self.successResultOf(self.journal.note(answered))
        return outcome

    def sweep(self) -> None:
        """Let the journal see what time it is."""
        self.successResultOf(self.journal.sweep(self.net.clock.seconds()))

    def events(self, kind: str = "status") -> list[dict[str, Any]]:
        """Return the events of one type."""
        events = self.successResultOf(self.journal.events(0, 1000))
        bodies = [msgspec.json.decode(event.body) for event in events]
        return [body for body in bodies if body["type"] == kind]

    def states(self, name: str = "g1") -> list[str]:
        """Return the states told of a message."""
        return [body["state"] for body in self.events() if body["id"] == name]

    def story(self, name: str = "g1") -> Any:
        """Return the story of a message."""
        return self.successResultOf(self.journal.story(name))
