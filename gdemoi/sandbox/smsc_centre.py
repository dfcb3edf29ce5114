"""The centre behind the sandbox SMSC's sessions: accounts, messages, deliveries.

Decides what becomes of each submit, in the way of its account's personality, and
sends receipts and MO messages over whichever session of the account receives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gdemoi.message import Charset
from gdemoi.sandbox.smsc_messages import SmscMessage, receipt, spelled, text_of
from gdemoi.sandbox.smsc_personality import SmscPersonality
from gdemoi.sandbox.trackers import TrackerPark
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.commands import UDHI
from gdemoi.smpp.pdu.pdus import DeliverSm, SubmitSm
from gdemoi.smpp.pdu.statuses import Status
from gdemoi.smpp.pdu.tlvs import Tag
from gdemoi.text import charset as charsets
from gdemoi.text.segments import TooLong, split

if TYPE_CHECKING:
    from gdemoi.sandbox.smsc import SmscProtocol

Bind = pdus.BindTransmitter | pdus.BindReceiver | pdus.BindTransceiver

_REPORT: Final = 0x03
_KEPT: Final = 10_000


class Smsc:
    """The centre: accounts, sessions, messages."""

    def __init__(
        self,
        accounts: dict[str, SmscPersonality],
        clock: IReactorTime,
        trackers: TrackerPark | None = None,
    ) -> None:
        self.trackers = trackers or TrackerPark()
        self.accounts = accounts
        self.clock = clock
        self.sessions: list[SmscProtocol] = []
        self.taken: list[SmscMessage] = []
        self.refused: list[tuple[SubmitSm, int]] = []
        # answers to our deliver_sm: (PDU sent, command_status)
        self.answered: list[tuple[DeliverSm, int]] = []
        self.binds = 0
        self._number = 1000
        self._undelivered: dict[str, list[DeliverSm]] = {}
        self._references = 0
        self._calls: set[IDelayedCall] = set()
        self._spent: dict[str, tuple[int, int]] = {}

    # -- for tests and people

    def send_mo(
        self,
        system_id: str,
        from_: str,
        to: str,
        words: str,
        charset: Charset = Charset.AUTO,
    ) -> None:
        """Send an SMS from a phone to the account; long ones in segments."""
        words, chosen = charsets.choose(words, charset)
        self._references = (self._references + 1) & 0xFF
        parts = split(words, chosen, reference=self._references)
        assert not isinstance(parts, TooLong)
        for part in parts:
            self.deliver(
                system_id,
                DeliverSm(
                    source_addr_ton=1 if from_.startswith("+") else 0,
                    source_addr_npi=1,
                    source_addr=from_.removeprefix("+"),
                    dest_addr_ton=1 if to.startswith("+") else 0,
                    dest_addr_npi=1,
                    destination_addr=to.removeprefix("+"),
                    esm_class=UDHI if part.udh else 0,
                    data_coding=charsets.data_coding_of(chosen),
                    short_message=part.user_data,
                ),
            )

    def deliver(self, system_id: str, pdu: DeliverSm) -> None:
        """Send a deliver_sm over a session that receives, or keep it for one."""
        for session in self.sessions:
            if session.system_id == system_id and session.receives:
                session.request(pdu)
                return
        waiting = self._undelivered.setdefault(system_id, [])
        if len(waiting) < _KEPT:
            waiting.append(pdu)

    def later(self, delay_s: float, call: Any, *arguments: Any) -> None:
        """Do something after a while; `stop` forgets it."""
        if delay_s <= 0:
            call(*arguments)
            return

        def fire() -> None:
            self._calls.discard(timer)
            call(*arguments)

        timer = self.clock.callLater(delay_s, fire)
        self._calls.add(timer)

    def stop(self) -> None:
        """Leave no timer behind."""
        for timer in self._calls:
            timer.cancel()
        self._calls.clear()

    # -- for sessions

    def admit(self, bind: Bind) -> int:
        """Return the command_status of a bind."""
        how = self.accounts.get(bind.system_id)
        if how is None:
            return Status.RINVSYSID
        if how.password and bind.password != how.password:
            return Status.RINVPASWD
        if how.refuse_bind:
            return how.refuse_bind
        if isinstance(bind, pdus.BindTransceiver) and not how.transceiver:
            return Status.RINVCMDID
        others = [one for one in self.sessions if one.system_id == bind.system_id]
        if how.one_session and any(
            one.kind == bind.command.removeprefix("bind_") for one in others
        ):
            return Status.RALYBND
        self.binds += 1
        return 0

    def flush(self, session: SmscProtocol) -> None:
        """Send what waited for a session that receives."""
        for pdu in self._undelivered.pop(session.system_id, ()):
            session.request(pdu)

    def take(
        self, session: SmscProtocol, pdu: SubmitSm
    ) -> tuple[int, SmscMessage | None]:
        """Return the command_status of a submit, and the message when it is 0."""
        how = session.how
        words = text_of(pdu)
        status = how.refusal_of(pdu.destination_addr, words)
        if not status and self._throttled(session):
            status = Status.RTHROTTLED
        if status:
            self.refused.append((pdu, status))
            if len(self.refused) > _KEPT:
                del self.refused[: _KEPT // 2]
            return status, None
        self._number += 1
        taken = SmscMessage(
            self._number,
            spelled(self._number, how.ids),
            session.system_id,
            pdu,
            words,
            self.clock.seconds(),
        )
        self.taken.append(taken)
        if len(self.taken) > _KEPT:
            del self.taken[: _KEPT // 2]
        return 0, taken

    def _throttled(self, session: SmscProtocol) -> bool:
        limit = session.how.throttle
        if limit is None:
            return False
        second = int(self.clock.seconds())
        last, count = self._spent.get(session.system_id, (0, 0))
        count = count + 1 if last == second else 1
        self._spent[session.system_id] = (second, count)
        return count > limit

    def follow(self, taken: SmscMessage, how: SmscPersonality) -> None:
        """Let a message reach its end: receipts, and the device's answer."""
        stat, err = how.final_state_of(taken.pdu.destination_addr)
        if taken.pdu.registered_delivery & _REPORT and how.receipts != "none":
            if how.intermediate:
                self._report(taken, how, "ENROUTE", "000")
            wanted = (taken.pdu.registered_delivery & _REPORT) == 1
            if wanted or stat != "DELIVRD":
                delay_s = 0.0 if how.early else how.receipt_delay_s
                self.later(delay_s, self._report, taken, how, stat, err)
        if stat == "DELIVRD":
            self._arrive(taken, how)

    def _arrive(self, taken: SmscMessage, how: SmscPersonality) -> None:
        """Let the device at the other end have it, and answer."""
        plus = "+" if taken.pdu.dest_addr_ton == 1 else ""
        number, service = plus + taken.pdu.destination_addr, taken.pdu.source_addr
        answers = self.trackers.take(number, taken.text, self.clock.seconds())
        if answers is not None:
            for words, after_s in answers:
                to = service or "gdemoi"
                where = (taken.system_id, number, to, words)
                self.later(how.receipt_delay_s + after_s, self.send_mo, *where)
        elif how.tracker and taken.text.endswith("?"):
            self.later(how.receipt_delay_s, self._answer_command, taken)

    def _report(
        self, taken: SmscMessage, how: SmscPersonality, stat: str, err: str
    ) -> None:
        taken.err = err
        pdu = receipt(taken, how, stat, err, self.clock.seconds())
        taken.state = pdu.tlv_int(Tag.message_state) or (2 if stat == "DELIVRD" else 5)
        for _ in range(2 if how.duplicates else 1):
            self.deliver(taken.system_id, pdu)

    def _answer_command(self, taken: SmscMessage) -> None:
        phone, service = taken.pdu.destination_addr, taken.pdu.source_addr
        plus = "+" if taken.pdu.dest_addr_ton == 1 else ""
        words = f"OK {taken.text.strip().removesuffix('?')}"
        self.send_mo(taken.system_id, plus + phone, service or "gdemoi", words)

    def note_answer(self, asked: DeliverSm, status: int) -> None:
        """Remember how the ESME answered a delivery."""
        self.answered.append((asked, status))
        if len(self.answered) > _KEPT:
            del self.answered[: _KEPT // 2]

    def find(self, message_id: str) -> SmscMessage | None:
        """Return a message by the id that it was given."""
        for taken in reversed(self.taken):
            if taken.message_id == message_id:
                return taken
        return None
