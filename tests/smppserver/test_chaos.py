"""Clients that come, go, refuse and forget, and a gateway that is killed: none is lost.

Real: journal (a file), dispatcher, door.  Time is a clock; a life that is killed leaves
its bookmarks as they are.  In the end a client acknowledges all that comes, and has to
have had a receipt for each message that has an outcome.
"""

from __future__ import annotations

from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.accounts.settings import AccountSettings
from gdemoi.message import MessageState
from gdemoi.smpp.pdu.pdus import (
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    DeliverSm,
    EnquireLink,
    SubmitSmResp,
    Tag,
    Unbind,
)
from gdemoi.smpp.session_types import SessionState
from gdemoi.smppserver.settings import SmppClientSettings
from tests.routing.channels import HandChannel
from tests.smppserver.rig import DoorTestCase, Esme, submit

KINDS = (BindTransceiver, BindTransceiver, BindReceiver, BindTransmitter)
# 0x64 and 0x58 ask for it later; what is refused thrice is given up, so no 0x65
STATUSES = (0, 0, 0, 0x64, 0x58, 0x08)

# A failure is told with its steps; making them fewer takes minutes.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)

number = st.integers(0, 30)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("bind"), number),
        st.tuples(st.just("submit"), number),
        st.tuples(st.just("submit"), number),
        st.tuples(st.just("outcome"), number),
        st.tuples(st.just("outcome"), number),
        st.tuples(st.just("answer"), number),
        st.tuples(st.just("answer"), number),
        st.tuples(st.just("hang up"), number),
        st.tuples(st.just("unbind"), number),
        st.tuples(st.just("wait"), number),
        st.tuples(st.just("kill"), number),
        st.tuples(st.just("stop"), number),
        st.tuples(st.just("phone"), number),
    ),
    min_size=10,
    max_size=60,
)


class Life(DoorTestCase):
    """One gateway at a time, over one file, and the clients of two accounts."""

    __test__ = False

    def runTest(self) -> None:
        """Let the machinery of the rig be used without a test of its own."""

    def begin(self, folder: str) -> None:
        """Start from nothing."""
        self.setUp()
        self.url = f"sqlite:///{folder}"
        self.accounts = {
            "car": AccountSettings(numbers=("*",)),
            "bus": AccountSettings(),
        }
        self.clients = {
            name: SmppClientSettings(password="secret", deliver_window=3)
            for name in ("car", "bus")
        }
        self.channel.window = 1000
        # message id -> whose it is, and what became of it
        self.owners: dict[str, str] = {}
        self.asked: dict[str, int] = {}
        self.outcomes: dict[str, MessageState] = {}
        self.acknowledged: dict[str, set[str]] = {"car": set(), "bus": set()}
        self.phones = 0
        self.heard: set[str] = set()
        self.whose: dict[int, str] = {}
        self.open()
        self.do_bind(4)
        self.do_bind(5)

    # -- steps

    def do(self, step: str, n: int) -> None:
        """Take a step."""
        getattr(self, f"do_{step.replace(' ', '_')}")(n)
        self.look()

    def do_bind(self, n: int) -> None:
        name = ("car", "bus")[n % 5 == 0]
        esme = self.esme()
        esme.bind(KINDS[n % 4], system_id=name)
        self.whose[id(esme)] = name

    def some(self, n: int, *, submits: bool = False) -> Esme | None:
        """Return one of the clients that are bound."""
        there = [e for e in self.esmes if e.connection.session.bound]
        if submits:
            there = [
                e
                for e in there
                if e.connection.session.state is not SessionState.BOUND_RX
            ]
        return there[n % len(there)] if there else None

    def do_submit(self, n: int) -> None:
        esme = self.some(n, submits=True)
        if esme is None:
            return
        registered = (1, 1, 17, 0, 2)[n % 5]
        to = f"79161{len(self.owners):06}"
        sent = esme.send(submit(to=to, registered_delivery=registered))
        for one in esme.read_all():
            mine = isinstance(one, SubmitSmResp) and one.sequence_number == sent
            if mine and one.command_status == 0:
                self.owners[one.message_id] = self.whose[id(esme)]
                self.asked[one.message_id] = registered
                self.answer(one.message_id)

    def do_outcome(self, n: int) -> None:
        open_ = [m for m in self.owners if m not in self.outcomes]
        if open_:
            message_id = open_[n % len(open_)]
            states = (MessageState.DELIVERED, MessageState.UNDELIVERED)
            self.outcomes[message_id] = states[n % 2]
            self.outcome(message_id, states[n % 2])

    def do_answer(self, n: int) -> None:
        esme = self.some(n)
        if esme is not None and esme.kept:
            self.acknowledge(esme, esme.kept.pop(n % len(esme.kept)), STATUSES[n % 6])

    def do_hang_up(self, n: int) -> None:
        esme = self.some(n)
        if esme is not None:
            esme.kept.clear()
            esme.hang_up(clean=bool(n % 2))

    def do_unbind(self, n: int) -> None:
        esme = self.some(n)
        if esme is not None:
            esme.send(Unbind())
            esme.kept.clear()

    def do_wait(self, n: int) -> None:
        for _ in range(n):
            for esme in self.esmes:
                if esme.connection.session.bound:
                    esme.send(EnquireLink())
            self.clock.advance(3.0)

    def do_kill(self, n: int) -> None:
        self.result(self.journal.close())
        self.next_life()

    def do_stop(self, n: int) -> None:
        self.close()
        self.next_life()

    def do_phone(self, n: int) -> None:
        self.phones += 1
        self.arrive(f"mo{self.phones}")

    def next_life(self) -> None:
        """Begin anew over the same file; nothing of the old life speaks any more."""
        clock = Clock()
        clock.rightNow = self.clock.rightNow + 1.0
        self.clock = clock
        self.channel = HandChannel(window=1000)
        self.esmes = []
        self.open()
        self.do_bind(4)

    # -- what clients see

    def look(self) -> None:
        """Let every client read; what it is sent waits for an answer."""
        for esme in self.esmes:
            esme.read_all()

    def acknowledge(self, esme: Esme, one: DeliverSm, status: int) -> None:
        """Answer a deliver_sm, and see that it is for this client."""
        name = self.whose[id(esme)]
        told = one.tlv_text(Tag.receipted_message_id)
        if told is not None:
            self.assertEqual(self.owners[told], name, "another account's")
            self.assertTrue(self.asked[told], "nobody asked")
            if status == 0 and one.esm_class == 0x04:
                self.acknowledged[name].add(told)
        elif status == 0:
            self.assertEqual(name, "car")
            self.heard.add(one.short_message.decode())
        esme.ack(one, status=status)

    def settle(self) -> None:
        """Let everything come to rest with clients that acknowledge all."""
        for esme in self.esmes:
            if esme.connection.session.bound:
                esme.hang_up(clean=False)
        for name in ("car", "bus"):
            esme = self.esme()
            esme.bind(system_id=name)
            self.whose[id(esme)] = name
        for _ in range(40):
            for esme in self.esmes[-2:]:
                esme.read_all()
                while esme.kept:
                    self.acknowledge(esme, esme.kept.pop(0), 0)
                    esme.read_all()
                esme.send(EnquireLink())
            self.clock.advance(20.0)

    def complaints(self) -> list[Any]:
        """Return what was promised and did not come."""
        missing: list[Any] = []
        for message_id, state in self.outcomes.items():
            asked = self.asked[message_id] & 3
            if not asked or (asked == 2 and state is MessageState.DELIVERED):
                continue
            if message_id not in self.acknowledged[self.owners[message_id]]:
                missing.append((message_id, state))
        missing += sorted({f"mo{n + 1}" for n in range(self.phones)} - self.heard)
        for name in ("car", "bus"):
            left = self.door.clients[name].deliveries
            if left.waiting or left.parked:
                missing.append((name, left.waiting, left.last_parked))
        return missing


class ChaosTests(SynchronousTestCase):
    @settings(max_examples=40, deadline=None, phases=PHASES)
    @given(STEPS)
    def test_nothing_is_lost(self, steps: list[tuple[str, int]]) -> None:
        """DS14, DS15, DS19: whatever happens in between."""
        life = Life()
        life.begin(self.mktemp())
        for step, n in steps:
            life.do(step, n)
        life.settle()
        self.assertEqual(life.complaints(), [])
        life.close()
