"""The figures for Prometheus, beyond what channels tell of themselves."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.contract.figures import AmqpStatus, JournalFigures, LaneFigures
from gdemoi.errors import Unavailable
from gdemoi.message import Accepted, Error, MessageState, Refused
from tests.http.gateway import Client, FakeGateway

BROKER = AmqpStatus(
    state="up", reason="", broker="b:5672", blocked=None, taken=9, invalid=1,
    unsettled=2, held=3, published=8, passed=1, unconfirmed=4, behind=5, stuck=None,
    lag_s=6.5,
)  # fmt: skip


DOORS: list[dict[str, Any]] = [
    {"kind": "smpp-server", "name": "main", "connections": 3, "bound": 2,
     "refused": {"foreign address": 4}},
    {"kind": "smpp-client", "name": "car", "sessions": [{}, {}], "waiting": 5,
     "submitted": 6, "refused": {"0x58": 1}, "delivered": 7, "given_up": 1},
    {"kind": "webhook", "name": "erp", "state": "down", "waiting": 4,
     "delivered": 8, "failed": 3, "given_up": 2},
    {"kind": "account", "name": "fleet", "taken": 6, "today": 2,
     "refused": {"rate": 1}},
]  # fmt: skip


def gateway_with_figures() -> FakeGateway:
    """Return a gateway in which every figure there is has a value."""
    lane, journal = LaneFigures(), JournalFigures()
    lane.heard(Accepted())
    lane.heard(Refused(error=Error("smpp:0x58", "throttled")))
    lane.inbound = 2
    lane.publish_to_submit.observe(0.004)
    lane.submit_to_response.observe(0.2)
    journal.states["smsc", MessageState.DELIVERED] = 7
    journal.states[None, MessageState.REJECTED] = 1
    journal.commit_s.observe(0.002)
    journal.batch_size.observe(40)
    journal.waited_for_receipt("smsc", 3.0)
    described: list[dict[str, Any]] = [
        {"name": "smsc", "kind": "smpp", "state": "up", "backlog": 7, "in_flight": 1,
         "window": 10, "paused": False, "present_rate": 5.0, "unanswered": 0,
         "balance": "9.5", "throttled": 1,
         "binds": [{"state": "up"}, {"state": "paused"}]},
        {"name": "office", "kind": "goip", "state": "down",
         "lines": [{"name": "l1", "state": "up", "signal": 21, "balance": "3.20",
                   "budget": {"day": {"used": 3, "limit": 9, "ends": 8.0},
                              "reason": None, "until": None}},
                   {"name": "l2", "state": "down", "signal": 99, "balance": None}]},
    ]  # fmt: skip
    return FakeGateway(
        described=described,
        lane_figures={"smsc": lane},
        journal_figures=journal,
        broker=BROKER,
        states={"delivered": 7},
        doors_there=DOORS,
        firing=[{"name": "carrier", "subject": "smsc"}],
    )


def samples(gateway: FakeGateway) -> dict[tuple[str, str], float]:
    """Return what Prometheus reads, by name and the values of labels."""
    client = Client(gateway)
    client.post({"id": "a", "to": "+79161234567", "text": "x"})
    text = client.ask("GET", "/metrics").body.decode()
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def names_there() -> set[str]:
    """Return the names of all samples that there may be."""
    return {name for name, _ in samples(gateway_with_figures())}


class MetricsTests(SynchronousTestCase):
    def test_every_figure(self) -> None:
        """Each comes with its labels and its value."""
        found = samples(gateway_with_figures())
        for key, value in {
            ("gdemoi_channel_sent_total", "smsc,smpp"): 1.0,
            ("gdemoi_channel_submits_total", "smsc,smpp,accepted"): 1.0,
            ("gdemoi_channel_submits_total", "smsc,smpp,smpp:0x58"): 1.0,
            ("gdemoi_channel_submits_total", "smsc,smpp,uncertain"): 0.0,
            ("gdemoi_channel_throttled_total", "smsc,smpp"): 1.0,
            ("gdemoi_channel_inbound_total", "smsc,smpp"): 2.0,
            ("gdemoi_channel_messages_total", "smsc,smpp,delivered"): 7.0,
            ("gdemoi_channel_messages_total", ",,rejected"): 1.0,
            ("gdemoi_channel_binds", "smsc,smpp"): 2.0,
            ("gdemoi_channel_binds_up", "smsc,smpp"): 1.0,
            ("gdemoi_channel_oldest_seconds", "smsc,smpp"): 4.5,
            ("gdemoi_channel_oldest_seconds", "office,goip"): 0.0,
            ("gdemoi_line_signal", "office,l1"): 21.0,
            ("gdemoi_line_balance", "office,l1"): 3.2,
            ("gdemoi_line_budget_used", "office,l1,day"): 3.0,
            ("gdemoi_line_budget_limit", "office,l1,day"): 9.0,
            ("gdemoi_journal_size_bytes", ""): 4096.0,
            ("gdemoi_journal_commit_seconds_sum", ""): 0.002,
            ("gdemoi_journal_batch_size_count", ""): 1.0,
            ("gdemoi_amqp_up", ""): 1.0,
            ("gdemoi_amqp_blocked", ""): 0.0,
            ("gdemoi_amqp_unsettled", ""): 2.0,
            ("gdemoi_amqp_held", ""): 3.0,
            ("gdemoi_amqp_unconfirmed", ""): 4.0,
            ("gdemoi_amqp_taken_total", ""): 9.0,
            ("gdemoi_amqp_invalid_total", ""): 1.0,
            ("gdemoi_amqp_published_total", ""): 8.0,
            ("gdemoi_amqp_passed_total", ""): 1.0,
            ("gdemoi_events_behind", ""): 5.0,
            ("gdemoi_events_lag_seconds", ""): 6.5,
            ("gdemoi_alert_firing", "carrier,smsc"): 1.0,
        }.items():
            self.assertEqual(found.get(key), value, key)
        # 99 is "not known" in CSQ, not a splendid signal
        self.assertNotIn(("gdemoi_line_signal", "office,l2"), found)

    def test_histograms(self) -> None:
        """Buckets are cumulative, and end with all of them."""
        found = samples(gateway_with_figures())
        for name, below, above in (
            ("gdemoi_channel_publish_to_submit_seconds", "0.0025", "0.005"),
            ("gdemoi_channel_submit_to_response_seconds", "0.1", "0.25"),
            ("gdemoi_channel_submit_to_receipt_seconds", "2.5", "5.0"),
        ):
            bucket = f"{name}_bucket"
            self.assertEqual(found[bucket, f"smsc,smpp,{below}"], 0.0, name)
            self.assertEqual(found[bucket, f"smsc,smpp,{above}"], 1.0, name)
            self.assertEqual(found[bucket, "smsc,smpp,+Inf"], 1.0, name)
            self.assertEqual(found[f"{name}_count", "smsc,smpp"], 1.0, name)

    def test_the_program_and_its_process(self) -> None:
        """Version, and what the process takes of the machine."""
        text = Client(FakeGateway()).ask("GET", "/metrics").body.decode()
        self.assertRegex(text, r'gdemoi_build_info\{.*version="\d')
        for name in ("process_cpu_seconds_total", "process_resident_memory_bytes",
                     "process_start_time_seconds", "process_open_fds"):  # fmt: skip
            self.assertIn(f"\n{name} ", text)

    def test_without_a_broker_and_without_a_journal(self) -> None:
        """What nobody knows is absent, not zero."""
        gateway = gateway_with_figures()
        gateway.broker, gateway.broken = None, Unavailable("no disk")
        names = {name for name, _ in samples(gateway)}
        unknown = {
            *("gdemoi_amqp_up", "gdemoi_events_lag_seconds", "gdemoi_messages"),
            *("gdemoi_journal_size_bytes", "gdemoi_channel_oldest_seconds"),
        }
        self.assertEqual(names & unknown, set())
        self.assertIn("gdemoi_channel_submits_total", names)

    def test_names_follow_the_conventions(self) -> None:
        """Base units, `_total` for counters alone, and one name for one type."""
        text = Client(gateway_with_figures()).ask("GET", "/metrics").body.decode()
        for family in text_string_to_metric_families(text):
            self.assertTrue(family.documentation, family.name)
            for sample in family.samples:
                is_total = sample.name.endswith("_total")
                self.assertEqual(is_total, family.type == "counter", sample.name)
                self.assertNotRegex(sample.name, "_(ms|millis|minutes|octets)(_|$)")

    def test_doors(self) -> None:
        """Each server, client and account by its name, refusals by their reason."""
        found = samples(gateway_with_figures())
        for name, labels, value in (
            ("gdemoi_smpp_server_connections", "main", 3),
            ("gdemoi_smpp_server_refused_total", "main,foreign address", 4),
            ("gdemoi_smpp_client_sessions", "car", 2),
            ("gdemoi_smpp_client_submitted_total", "car", 6),
            ("gdemoi_smpp_client_refused_total", "car,0x58", 1),
            ("gdemoi_smpp_client_delivered_total", "car", 7),
            ("gdemoi_smpp_client_given_up_total", "car", 1),
            ("gdemoi_callbacks_up", "webhook:erp", 0),
            ("gdemoi_callbacks_waiting", "webhook:erp", 4),
            ("gdemoi_callbacks_delivered_total", "webhook:erp", 8),
            ("gdemoi_callbacks_failed_total", "webhook:erp", 3),
            ("gdemoi_callbacks_given_up_total", "webhook:erp", 2),
            ("gdemoi_account_taken_total", "fleet", 6),
            ("gdemoi_account_today", "fleet", 2),
            ("gdemoi_account_refused_total", "fleet,rate", 1),
        ):
            self.assertEqual(found[name, labels], value)
