"""The journal on PostgreSQL, alone and shared by two gateways."""

from __future__ import annotations

import psycopg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import ConfigurationError, Unavailable
from gdemoi.facts import Cancelled, Duplicate, Permission, Wait
from gdemoi.journal import Journal
from gdemoi.journal.database import MIGRATIONS, Database, conninfo, migrate, url_of
from gdemoi.journal.leases import Wishes
from gdemoi.journal.membership import Registry
from gdemoi.journal.schema import metadata
from gdemoi.message import MessageState
from tests.journal import (
    test_answers,
    test_budgets,
    test_counting,
    test_inbound_sms,
    test_journal,
    test_sticky,
    test_trackers,
    test_turns,
)
from tests.journal.builders import (
    NOW,
    TTL,
    acceptance,
    attempting,
    receipt,
    taken,
)
from tests.journal.postgres import SERVER, PostgresCase, fresh_database
from tests.services import POSTGRES


class PostgresLifeTests(PostgresCase, test_journal.LifeTests):
    """The same lives as on SQLite."""


class PostgresFiguresTests(PostgresCase, test_counting.FiguresTests):
    """The same figures."""

    def test_the_size_of_the_journal(self) -> None:
        """Its tables with their indexes."""
        found = self.did(self.journal.stored_figures())
        self.assertGreater(found.octets, 50_000)


class PostgresReceiptTests(PostgresCase, test_journal.ReceiptTests):
    """The same receipts."""


class PostgresProgressTests(PostgresCase, test_journal.ProgressTests):
    """The same messages that left in part."""


class PostgresInboundTests(PostgresCase, test_inbound_sms.InboundTests):
    """The same SMS from phones."""


class PostgresBacklogTests(PostgresCase, test_journal.BacklogTests):
    """The same lanes."""


class PostgresSweepTests(PostgresCase, test_journal.SweepTests):
    """The same passing of time."""


class PostgresEventTests(PostgresCase, test_journal.EventTests):
    """The same outbox."""


class PostgresTrackerTests(PostgresCase, test_trackers.TrackerTests):
    """The same on PostgreSQL, and between gateways."""

    def test_what_another_gateway_set(self) -> None:
        """It is seen with the next sweep; also what was set before we wrote."""
        other = self.opened(name="gdemoi-2")
        self.did(other.set_tracker("+1", test_trackers.UMKA))
        self.did(self.journal.set_tracker("+2", test_trackers.NONE))
        self.assertIsNone(self.journal.tracker("+1"))
        self.sweep(NOW)
        self.assertEqual(self.journal.tracker("+1"), test_trackers.UMKA)
        self.did(other.set_tracker("+1", None))
        self.did(other.sweep(NOW))
        self.assertEqual(other.tracker("+2"), test_trackers.NONE)
        self.sweep(NOW)
        self.assertIsNone(self.journal.tracker("+1"))


class PostgresBudgetTests(PostgresCase, test_budgets.BudgetTests):
    """The same budgets."""


class PostgresTurnTests(PostgresCase, test_turns.TurnTests):
    """The same turns, and those of two gateways."""

    def test_one_in_flight_for_two_gateways(self) -> None:
        """The other one's attempt does not begin, nor with its acceptance."""
        other = self.opened(name="other")
        self.addCleanup(other.close)
        self.accept(self.command("c1", attempting=True))
        (stored,) = self.did(other.accept([self.command("c2", attempting=True)]))
        self.assertTrue(stored.waits)
        begin = attempting("c2")
        self.assertEqual(test_turns.permission(other, begin), [Permission.LATER])
        self.note(taken("p1", name="c1"))
        self.assertEqual(test_turns.permission(other, begin), [Permission.GO])
        for one in (self.journal, other):
            self.assertEqual([held.id for held in self.did(one.holding())], ["c2"])


class PostgresAnswerTests(PostgresCase, test_answers.AnswerTests):
    """The same answers."""


class PostgresWayTests(PostgresCase, test_sticky.WayTests):
    """The same ways that trackers know."""

    def test_what_another_gateway_learned(self) -> None:
        """It is read with its other changes."""
        other = self.opened(name="other")
        self.addCleanup(other.close)
        way = test_sticky.SET
        self.did(self.journal.set_way(None, test_sticky.NUMBER, way))
        self.did(other.read_others())
        self.assertEqual(other.known_way(None, test_sticky.NUMBER), way)


class SchemaTests(PostgresCase):
    def test_migrations_build_the_schema(self) -> None:
        """Alembic finds nothing to do after the migrations."""
        engine = create_engine(self.url.replace("postgresql:", "postgresql+psycopg:"))
        self.addCleanup(engine.dispose)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection)
            self.assertEqual(compare_metadata(context, metadata), [])


class OwnersTests(SynchronousTestCase):
    def test_what_gateways_had_for_themselves_becomes_everybodys(self) -> None:
        """Counts are summed; of places among the events the earliest counts."""
        url = fresh_database(self)
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        self.addCleanup(engine.dispose)
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "0003")
        with psycopg.connect(url, autocommit=True) as server:
            for name, value in (
                *(("n", 9), ("seq", 40), ("state:gw-1:accepted", 2)),
                *(("state:gw-2:accepted", 3), ("state:gw-2:delivered", 4)),
            ):
                put = "INSERT INTO counters (name, value) VALUES (%s, %s)"
                server.execute(put, (name, value))
            for cursor in (
                *(("gw-1", "amqp", "30"), ("gw-2", "amqp", "9")),
                *(("gw-1", "poll:cloud", "7.5"), ("gw-2", "paused:mts", "yes")),
                *(("gw-1", "account:x", "1 5"), ("gw-2", "account:x", "1 6")),
            ):
                put = "INSERT INTO cursors (owner, name, value) VALUES (%s, %s, %s)"
                server.execute(put, cursor)
        migrate(url)
        with psycopg.connect(url) as server:
            counts = server.execute("SELECT name, value FROM counters").fetchall()
            cursors = server.execute("SELECT * FROM cursors ORDER BY 1, 2").fetchall()
        self.assertEqual(
            dict(counts),
            {"n": 9, "seq": 40, "state::accepted": 5, "state::delivered": 4},
        )
        self.assertEqual(
            cursors,
            [
                ("", "amqp", "9"),
                ("", "paused:mts", "yes"),
                ("", "poll:cloud", "7.5"),
                ("gw-1", "account:x", "1 5"),
                ("gw-2", "account:x", "1 6"),
            ],
        )


class SeveralServersTests(PostgresCase):
    def test_addresses(self) -> None:
        """(as it is written, what libpq is given)."""
        for address, given in (
            ("postgresql://u@a/b", "postgresql://u@a/b"),
            ("postgresql://u:p@a:1/b", "postgresql://u:p@a:1/b"),
            (
                "postgresql://u@a:1,c:2/b?target_session_attrs=read-write",
                "postgresql://u@a:1,c:2/b?target_session_attrs=read-write",
            ),
            ("postgresql://a,c:2/b", "postgresql://a,c:2/b"),
            ("postgresql://[::1]:1,[::2]/b", "postgresql:///b?host=::1,::2&port=1,"),
        ):
            with self.subTest(address=address):
                made = conninfo(url_of(address))
                want = psycopg.conninfo.conninfo_to_dict(given)
                self.assertEqual(psycopg.conninfo.conninfo_to_dict(made), want)

    def test_one_of_them_is_there(self) -> None:
        """The journal is opened, migrated and shared over the one that takes writes."""
        name = self.url.rpartition("/")[2]
        several = f"127.0.0.1:1,{POSTGRES[0]}:{POSTGRES[1]}"
        url = f"postgresql://postgres@{several}/{name}?target_session_attrs=read-write"
        self.did(self.journal.close())
        self.patch(self, "url", url)
        self.journal = self.opened()
        self.accept(acceptance())
        registry = Registry(url, "gdemoi", self.clock.seconds)
        self.addCleanup(registry.close)
        self.assertEqual(registry.beat(Wishes(("clock",))).mine, {"clock"})
        # the server goes over to another one: what is there now is found
        self.journal._database._drop()
        registry.close()
        self.accept(acceptance("after"))
        self.assertEqual(registry.beat(Wishes(("clock",))).mine, {"clock"})


class SharedTests(PostgresCase):
    """Two gateways on one journal."""

    def setUp(self) -> None:
        """Open the second one."""
        super().setUp()
        self.other = self.opened(name="gdemoi-2")

    def test_all_is_everybodys(self) -> None:
        """Lanes, events, interrupted attempts and counts, whoever took the messages."""
        self.accept(acceptance("here"), acceptance("open", attempting=True))
        self.did(self.other.accept([acceptance("there")]))
        for one in (self.journal, self.other):
            lane = self.did(one.take("mts", 9, NOW, frozenset()))
            self.assertEqual([q.message.id for q in lane.messages], ["here", "there"])
            self.assertEqual(len(self.did(one.interrupted())), 1)
            self.assertEqual(self.did(one.counts()), {"accepted": 3})
            self.assertEqual([e.seq for e in self.did(one.events(0, 9))], [1, 2, 3])

    def test_bookmarks_are_everybodys(self) -> None:
        """So that whoever owns a channel goes on; some are a gateway's own."""
        self.did(self.journal.set_cursor("poll:mts", "7"))
        self.did(self.journal.set_cursor("account:x", "1 5"))
        self.assertEqual(self.did(self.other.cursor("poll:mts")), "7")
        self.assertEqual(self.did(self.other.cursor("account:x")), None)
        self.assertEqual(self.did(self.journal.cursor("account:x")), "1 5")

    def test_time_passes_for_all_messages(self) -> None:
        """Those of a gateway that is gone expire with the rest."""
        self.did(self.other.accept([acceptance("theirs")]))
        self.did(self.other.close())
        self.sweep(NOW + TTL + 1)
        self.assertEqual(self.bodies()[-1]["state"], "expired")

    def test_a_read_is_one_snapshot(self) -> None:
        """What is committed between two queries of one job is seen by neither.

        Otherwise a message that a sweep moves from those that fall due to those that
        are due would be in neither list, and would lie until something else woke its
        lane.
        """
        later = Wait(NOW + 60, "mts")
        self.accept(acceptance("later", following=later))
        reading = Database(self.url, "gdemoi", readonly=True)
        self.addCleanup(reading.close)
        due, risen = (f"SELECT id FROM messages WHERE due {c} 0" for c in "=>")
        reading.begin()
        self.assertEqual(reading.rows(due), [])
        self.sweep(NOW + 121)
        self.assertEqual(reading.rows(risen), [("later",)])
        reading.commit()
        reading.begin()
        self.assertEqual((reading.rows(due), reading.rows(risen)), ([("later",)], []))

    def test_a_reader_writes_nothing(self) -> None:
        """Not even by mistake."""
        reading = Database(self.url, "gdemoi", readonly=True)
        self.addCleanup(reading.close)
        reading.begin()
        with self.assertRaisesRegex(Exception, "read-only"):
            reading.run("DELETE FROM messages")

    def test_ids_are_everybodys(self) -> None:
        """A message accepted there is a duplicate here."""
        self.accept(acceptance("m1"))
        answer = self.did(self.other.accept([acceptance("m1")]))
        self.assertEqual(answer, [Duplicate(MessageState.ACCEPTED)])

    def test_receipt_that_comes_to_the_other_gateway(self) -> None:
        """It is matched, and everybody can read what it says."""
        self.accept(acceptance(attempting=True))
        self.note(taken("a1"))
        match = self.did(self.other.receipt(receipt("0A1")))
        self.assertEqual(match.message_id, "m1")
        events: list[int] = []
        self.journal.on_events(events.append)
        self.did(self.journal.read_others())
        self.assertEqual(len(events), 1)
        self.assertEqual(self.states()[-1], ("delivered", True))

    def test_receipt_there_before_the_answer_here(self) -> None:
        """The unmatched ones are everybody's too."""
        self.accept(acceptance(attempting=True))
        self.assertIsNone(self.did(self.other.receipt(receipt("a1"))))
        self.note(taken("a1"))
        self.assertEqual(self.states()[-1], ("delivered", True))

    def test_cancelled_at_the_other_gateway(self) -> None:
        """The lane here is told not to send."""
        self.accept(acceptance())
        self.assertTrue(self.did(self.other.note(Cancelled("m1", NOW))))
        self.assertEqual(self.note(attempting()), [False])
        self.sweep(NOW + 1)
        self.assertEqual(self.journal.backlog(), {})

    def test_one_name_one_gateway(self) -> None:
        """Two processes of one name would send everything twice."""
        twin = Journal(self.url, self.clock, inline=True)
        failure = self.failureResultOf(twin.open(), ConfigurationError)
        self.assertIn("another gateway has this journal open", str(failure.value))

    def test_connection_lost(self) -> None:
        """The server hangs up: Unavailable once, then it goes on."""
        self.accept(acceptance("before"))
        self.did(
            self.other._writes.put(
                self.other._transaction.database.rows,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'gdemoi gdemoi'",
            )
        )
        self.failureResultOf(self.journal.accept([acceptance("during")]))
        self.accept(acceptance("after"))
        self.assertEqual(self.did(self.journal.counts()), {"accepted": 2})


class DurabilityTests(PostgresCase):
    def test_a_server_that_would_acknowledge_too_early(self) -> None:
        """Its default is not ours: a commit is on disk."""
        with psycopg.connect(self.url, autocommit=True) as other:
            name = other.info.dbname
            other.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        self.again()
        rows = self.journal._database.rows("SHOW synchronous_commit")
        self.assertEqual(rows, [("on",)])

    def test_there_is_no_mark(self) -> None:
        """The server keeps its own log; several gateways share the numbers."""
        self.assertIsNone(self.journal._mark)

    def test_a_server_that_went_away(self) -> None:
        """Is known while nothing comes in, and when it is back."""
        database = self.journal._database
        self.patch(database, "url", database.url.set(port=1))
        with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s",
                (database.url.database,),
            )
        self.journal.beat()
        self.journal.beat()
        self.assertIsNotNone(self.journal.trouble())
        database.url = database.url.set(port=int(POSTGRES[1]))
        self.journal.beat()
        self.assertIsNone(self.journal.trouble())


class DamageTests(PostgresCase):
    """The same from a server, whose errors a trigger raises."""

    def server(self, *statements: str) -> None:
        """Do something on the server that is not the gateway's."""
        with psycopg.connect(self.url, autocommit=True) as server:
            for statement in statements:
                server.execute(statement)

    def says(self, state: str, text: str = "it says so") -> None:
        """Let the server refuse each new message with a state of its own."""
        self.server(
            "CREATE OR REPLACE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION '{text}' USING ERRCODE = '{state}'; END $$",
            "CREATE OR REPLACE TRIGGER say BEFORE INSERT ON messages"
            " FOR EACH ROW EXECUTE FUNCTION say()",
        )

    def refused(self) -> str:
        """Try to accept; return why it cannot be done."""
        failure = self.failureResultOf(
            self.journal.accept([acceptance("late")]), Unavailable
        )
        self.assertIsNotNone(self.journal.trouble())
        return str(failure.value)

    def test_damage(self) -> None:
        """data_corrupted and index_corrupted stop all until the next start."""
        for state in ("XX001", "XX002"):
            with self.subTest(state=state):
                self.setUp()
                self.says(state)
                with capturedLogs() as events:
                    self.assertIn("the database is damaged: it says so", self.refused())
                lines = [e for e in events if e["log_level"].name == "critical"]
                self.assertEqual(len(lines), 1)
                self.server("DROP TRIGGER say ON messages")
                self.assertIn("REINDEX", self.refused())
                self.failureResultOf(self.journal.counts(), Unavailable)
                self.again()
                self.accept(acceptance("late"))

    def test_a_reader_hears_it(self) -> None:
        """A query that meets damage is not asked again, and nothing more is taken."""
        self.server(
            "CREATE FUNCTION bad() RETURNS bigint LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'bad page' USING ERRCODE = 'XX001'; END $$",
            "ALTER TABLE cursors RENAME TO away",
            "CREATE VIEW cursors AS SELECT owner, name, bad()::text AS value FROM away",
            "INSERT INTO away (owner, name, value) VALUES ('', 'c', 'v')",
        )
        self.failureResultOf(self.journal.cursor("c"), Unavailable)
        self.assertIn("bad page", self.refused())

    def test_not_now(self) -> None:
        """A full disk, a fault of the server's own: refused, and taken up again."""
        for state in ("53100", "58030", "XX000", "25006"):
            with self.subTest(state=state):
                self.says(state)
                self.assertIn("it says so", self.refused())
                self.server("DROP TRIGGER say ON messages")
                self.accept(acceptance(f"after {state}"))
                self.assertIsNone(self.journal.trouble())

    def test_a_server_that_became_read_only(self) -> None:
        """Told as such; when it takes writes again, a new connection finds it so."""
        name = self.url.rpartition("/")[2]
        self.server(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        self.journal._database._drop()
        self.assertIn("read-only transaction", self.refused())
        with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as server:
            server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        self.accept(acceptance("late"))
        self.assertIsNone(self.journal.trouble())
