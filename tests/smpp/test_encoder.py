"""Reference numbers of long messages: the phone joins what bears one of them."""

from __future__ import annotations

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import Outbound, Progress
from gdemoi.smpp.encoder import SmppEncoder
from gdemoi.smpp.settings import SmppSettings
from tests.smpp.rig import ChannelRig

LONG = "a" * 400


class ReferenceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = ChannelRig(start=False)

    def life(self, chance: float) -> SmppEncoder:
        """Return what prepares the messages of one process."""
        settings = SmppSettings(
            host=("h",),
            system_id="esme",
            allowed_sender=("*",),
            long_messages="udh16",
            account="carrier",
        )
        return SmppEncoder(settings, lambda: chance)

    def message(self, to: str = "+79161234567", sender: str = "GdeMoi") -> Outbound:
        """Return a long message."""
        return self.rig.message(LONG, to=to, from_=sender)

    def reference(self, life: SmppEncoder, message: Outbound | None = None) -> int:
        """Prepare a message; return its reference, the same in all parts."""
        message = message or self.message()
        prepared = life.prepare(message, 0.0, tlvs=True)
        assert hasattr(prepared, "user_data"), prepared
        found = {data[6:10] for data, _ in prepared.user_data()}
        self.assertEqual(len(found), 1)
        return int(found.pop(), 16)

    def test_one_after_the_other(self) -> None:
        """For each pair of sender and phone, and round at 65536."""
        life = self.life(65534.5 / 65536)
        self.assertEqual([self.reference(life) for _ in range(4)], [65535, 0, 1, 2])
        for other in (self.message("+79161234568"), self.message(sender="Other")):
            self.assertEqual(self.reference(life, other), 65535)
        self.assertEqual(self.reference(life), 3)

    def test_after_a_restart(self) -> None:
        """A new process begins elsewhere: parts of two lives must not be joined."""
        first, second = self.life(0.25), self.life(0.75)
        self.assertEqual(self.reference(first), 16385)
        self.assertEqual(self.reference(second), 49153)

    def test_the_rest_of_a_message_after_a_restart(self) -> None:
        """It goes under the old reference, and the next message not under it."""
        first = self.life(0.25)
        message = self.message()
        progress = self.progress(first, message, "id0", None, None)
        self.assertEqual(progress.reference, 16385)
        before = self.life(0.25).prepare(message, 0.0, tlvs=True)
        assert hasattr(before, "user_data")
        second = self.life(16384 / 65536)
        resumed = second.resume(message, progress, 0.0, tlvs=True)
        assert resumed is not None
        self.assertEqual(resumed.user_data(), before.user_data())
        self.assertEqual(resumed.taken, ["id0", None, None])
        self.assertEqual(self.reference(second), 16386)

    def test_a_reference_from_before_does_not_set_the_counter_back(self) -> None:
        """Of a process that has sent to the phone since."""
        life, message = self.life(0.5), self.message()
        progress = self.progress(life, message, None, "id1", None)
        newest = [self.reference(life) for _ in range(3)][-1]
        self.assertIsNotNone(life.resume(message, progress, 0.0, tlvs=True))
        self.assertEqual(self.reference(life), newest + 1)

    def progress(
        self, life: SmppEncoder, message: Outbound, *ids: str | None
    ) -> Progress:
        """Return how far a message has got that a process has prepared."""
        prepared = life.prepare(message, 0.0, tlvs=True)
        assert hasattr(prepared, "form")
        data = prepared.user_data()
        return Progress(
            account="carrier",
            ids=ids,
            segments=len(ids),
            reference=int(data[0][0][6:10], 16),
            form=prepared.form,
        )

    def test_what_is_cut_otherwise_now_is_not_resumed(self) -> None:
        """Another account, another number of parts, another form."""
        message = self.message()
        good = self.progress(self.life(0.25), message, "id0", None, None)
        life = self.life(0.5)
        for change, able in (
            ({}, True),
            ({"account": "other"}, False),
            ({"form": "other"}, False),
            ({"form": ""}, False),
            ({"ids": ("id0", None)}, False),
        ):
            progress = msgspec.structs.replace(good, **change)  # type: ignore[arg-type]
            found = life.resume(message, progress, 0.0, tlvs=True)
            self.assertEqual((change, found is not None), (change, able))
