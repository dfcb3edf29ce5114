"""Copies while a gateway writes, putting them back, looking into and tidying up."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import ConfigurationError
from gdemoi.facts import Acceptance
from gdemoi.journal import Journal, care
from gdemoi.journal.database import Database
from gdemoi.message import OnUnsure, Outbound

NOW = 1_795_000_000.0


class CareCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path = self.folder / "j.sqlite"
        self.url = f"sqlite:///{self.path.resolve()}"
        self.clock = Clock()
        self.clock.rightNow = NOW

    def open(self, **more: Any) -> Journal:
        journal = Journal(self.url, self.clock, inline=True, **more)
        self.successResultOf(journal.open())
        return journal

    def close(self, journal: Journal) -> None:
        self.successResultOf(journal.close())

    def accept(self, journal: Journal, *ids: str) -> None:
        messages = [
            Outbound(
                id=id_,
                to="+79161234567",
                text="x" * 100,
                accepted_at=NOW,
                expires_at=NOW + 3600,
            )
            for id_ in ids
        ]
        self.successResultOf(
            journal.accept([Acceptance(m, m.id.encode(), "a") for m in messages])
        )

    def database(self, *, readonly: bool = True) -> Database:
        return Database(self.url, "gdemoi", readonly=readonly)

    def ids(self) -> list[str]:
        with closing(sqlite3.connect(self.path)) as connection:
            return [one for (one,) in connection.execute("SELECT id FROM messages")]


class BackupTests(CareCase):
    def test_while_a_gateway_has_it_open(self) -> None:
        """What is committed is in the copy, also what stands in the log only."""
        journal = self.open()
        self.accept(journal, "m1", "m2")
        target = str(self.folder / "copy.sqlite")
        copy = care.backup(self.database(), target)
        self.accept(journal, "m3")
        self.assertEqual((copy.messages, copy.path), (2, target))
        self.assertEqual(Path(target).stat().st_mode & 0o777, 0o600)
        self.assertFalse(Path(f"{target}.part").exists())
        self.close(journal)

    def test_nothing_is_overwritten(self) -> None:
        self.close(self.open())
        target = self.folder / "copy"
        target.write_text("mine")
        with self.assertRaises(ConfigurationError):
            care.backup(self.database(), str(target))
        self.assertEqual(target.read_text(), "mine")

    def test_no_journal_no_copy(self) -> None:
        """And none is made by looking for it."""
        with self.assertRaises(ConfigurationError):
            care.backup(self.database(), str(self.folder / "copy"))
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_folder_that_is_not_there(self) -> None:
        self.close(self.open())
        with self.assertRaises(ConfigurationError):
            care.backup(self.database(), str(self.folder / "nowhere" / "copy"))

    def test_postgresql_has_its_own_tools(self) -> None:
        database = Database("postgresql://u@127.0.0.1/x", "gdemoi")
        for work in (
            lambda: care.backup(database, "x"),
            lambda: care.restore("x", database),
            lambda: care.vacuum(database),
        ):
            with self.assertRaises(ConfigurationError) as raised:
                work()
            self.assertIn("pg_dump", str(raised.exception))


class RestoreTests(CareCase):
    def test_the_same_journal(self) -> None:
        """Nothing happened since: the gateway goes on without a question."""
        journal = self.open()
        self.accept(journal, "m1")
        self.close(journal)
        target = str(self.folder / "copy")
        care.backup(self.database(), target)
        for file in (self.path, Path(f"{self.path}-wal")):
            file.unlink(missing_ok=True)
        self.assertIsNone(care.restore(target, self.database(readonly=False)))
        self.assertEqual(self.ids(), ["m1"])
        self.close(self.open())

    def test_an_older_copy(self) -> None:
        """What is missing is told, and the gateway asks for it to be accepted."""
        journal = self.open()
        self.accept(journal, "m1")
        target = str(self.folder / "copy")
        care.backup(self.database(), target)
        self.accept(journal, "m2")
        self.close(journal)
        mark = care.restore(target, self.database(readonly=False))
        assert mark is not None
        self.assertEqual(mark.n, 2)
        self.assertEqual(self.ids(), ["m1"])
        kept = Path(f"{self.path}.before-restore")
        with closing(sqlite3.connect(kept)) as connection:
            [(count,)] = connection.execute("SELECT count(*) FROM messages")
        self.assertEqual(count, 2)
        refused = Journal(self.url, self.clock, inline=True)
        self.failureResultOf(refused.open(), ConfigurationError)
        accepted = self.open(accept_loss=True)
        self.close(accepted)

    def test_not_under_a_running_gateway(self) -> None:
        journal = self.open()
        self.accept(journal, "m1")
        target = str(self.folder / "copy")
        care.backup(self.database(), target)
        with self.assertRaises(ConfigurationError) as raised:
            care.restore(target, self.database(readonly=False))
        self.assertIn("another gateway has this journal open", str(raised.exception))
        self.close(journal)
        self.assertEqual(self.ids(), ["m1"])

    def test_what_is_no_journal(self) -> None:
        """The journal that is there stays as it is."""
        journal = self.open()
        self.accept(journal, "m1")
        self.close(journal)
        other = self.folder / "other"
        for content in (b"", b"not a database" * 100):
            other.write_bytes(content)
            with self.assertRaises(ConfigurationError):
                care.restore(str(other), self.database(readonly=False))
        self.assertEqual(self.ids(), ["m1"])


class LookTests(CareCase):
    def test_state(self) -> None:
        journal = self.open()
        self.accept(journal, "m1", "m2")
        found = care.state(self.database())
        self.assertEqual(found.states, {"accepted": 2})
        self.assertEqual((found.oldest, found.newest), (NOW, NOW))
        self.assertEqual(found.pending, ())
        self.assertGreater(found.octets, 0)
        self.close(journal)

    def test_what_an_upgrade_would_do(self) -> None:
        self.assertEqual(care.pending(care.pending(None)[-1].split(":")[0]), ())
        steps = care.pending("0001")
        self.assertTrue(steps[0].startswith("0002: "), steps)
        self.assertTrue(care.pending(None)[0].startswith("0001: "))

    def test_upgrade(self) -> None:
        """An older journal gets its tables, as by a start of the gateway."""
        self.close(self.open())
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("DROP TABLE trackers")
            connection.execute("UPDATE alembic_version SET version_num = '0001'")
            connection.commit()
        before = care.state(self.database()).pending
        self.assertTrue(before)
        try:
            done = care.upgrade(self.database(readonly=False))
        except ConfigurationError as fault:
            # later steps alter tables that this journal has already
            self.assertIn("already exists", str(fault))
            return
        self.assertEqual(done, before)
        self.assertEqual(care.upgrade(self.database(readonly=False)), ())

    def test_vacuum_gives_room_back(self) -> None:
        journal = self.open()
        for first in range(0, 3000, 500):
            self.accept(journal, *(f"m{first + n}" for n in range(500)))
        self.close(journal)
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("DELETE FROM messages")
            connection.commit()
        self.assertGreater(care.state(self.database()).free_octets, 0)
        before, after = care.vacuum(self.database(readonly=False))
        self.assertLess(after, before)
        self.assertEqual(care.state(self.database()).free_octets, 0)

    def test_stories(self) -> None:
        """Newest first, each a line of JSON."""
        journal = self.open()
        self.accept(journal, *(f"m{n}" for n in range(1200)))
        lines = list(care.stories(self.database()))
        self.assertEqual(len(lines), 1200)
        first = json.loads(lines[0])
        self.assertEqual((first["id"], first["state"]), ("m1199", "accepted"))
        self.assertEqual(first["message"]["text"], "x" * 100)
        self.assertEqual(list(care.stories(self.database(), NOW + 1)), [])
        self.close(journal)


class DoubtTests(CareCase):
    """What waits in a journal that lost something may have left: no repeat."""

    def test_an_older_copy_repeats_no_command(self) -> None:
        journal = self.open()
        far = NOW + 86_400
        rows = (
            ("hold", {"on_unsure": OnUnsure.HOLD}),
            ("fail", {"on_unsure": OnUnsure.FAIL}),
            ("resend", {"on_unsure": OnUnsure.RESEND}),
            (
                "later",
                {"on_unsure": OnUnsure.HOLD, "not_before": far, "expires_at": far + 60},
            ),
        )
        for id_, fields in rows:
            whole = {"expires_at": NOW + 3600, "to": "+79161234567", **fields}
            message = Outbound(id=id_, text="x", accepted_at=NOW, **whole)
            acceptance = Acceptance(message, id_.encode(), "a")
            self.successResultOf(journal.accept([acceptance]))
        copy = str(self.folder / "copy")
        care.backup(self.database(), copy)
        self.accept(journal, "after")
        self.close(journal)
        care.restore(copy, self.database(readonly=False))
        journal = self.open(accept_loss=True)
        self.successResultOf(journal.sweep(NOW + 1))
        batch = self.successResultOf(journal.take("a", 10, far + 1, frozenset()))
        self.assertEqual(
            sorted(one.message.id for one in batch.messages), ["later", "resend"]
        )
        for id_, state in (("hold", "uncertain"), ("fail", "undelivered")):
            story = self.successResultOf(journal.story(id_))
            self.assertEqual(story["state"], state)
            error = story["events"][-1]["error"]
            self.assertIn("the journal has lost", error["text"])
        self.assertIn("2 that wait", self.successResultOf(journal.lost()))
        self.close(journal)
