"""The files for Prometheus, Grafana and Zabbix name what the gateway really tells."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import Any
from unittest import SkipTest

import yaml
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import MessageState
from tests.http.gateway import Client
from tests.http.test_metrics import gateway_with_figures, names_there, samples

ETC = Path(__file__).parent.parent / "etc"
NAME = re.compile(r"\b(?:gdemoi|process)_[a-z_]+\b")
LABELS = re.compile(r'([a-z]+)\s*=~?\s*"')
STATE = re.compile(r'state\s*=~?\s*"([^"]+)"')
# what Prometheus adds itself, and what a dashboard's variables are called
OWN_LABELS = {"instance", "job"}
RULES_TEST = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'gdemoi_channel_up{{instance="a", channel="down", kind="smpp"}}'
        values: '1 0x20'
      - series: 'gdemoi_channel_paused{{instance="a", channel="down", kind="smpp"}}'
        values: '0x20'
      - series: 'gdemoi_channel_up{{instance="a", channel="paused", kind="smpp"}}'
        values: '0x20'
      - series: 'gdemoi_channel_paused{{instance="a", channel="paused", kind="smpp"}}'
        values: '1x20'
      - series: 'gdemoi_channel_messages_total{{channel="bad", state="delivered"}}'
        values: '0+1x40'
      - series: 'gdemoi_channel_messages_total{{channel="bad", state="undelivered"}}'
        values: '0+2x40'
      - series: 'gdemoi_channel_messages_total{{channel="few", state="delivered"}}'
        values: '0x40'
      - series: 'gdemoi_channel_messages_total{{channel="few", state="undelivered"}}'
        values: '0 1 1x38'
    alert_rule_test:
      - {{eval_time: 2m, alertname: GdemoiChannelDown, exp_alerts: []}}
      - eval_time: 5m
        alertname: GdemoiChannelDown
        exp_alerts:
          - exp_labels: {{instance: a, channel: down, kind: smpp, severity: critical}}
            exp_annotations:
              summary: "Channel down is down"
              description: "gdemoi-sms status says why; gdemoi-sms probe down binds\\
 \\ from here and says what to change."
      - eval_time: 30m
        alertname: GdemoiDeliveredRatio
        exp_alerts:
          - exp_labels: {{channel: bad, severity: warning}}
            exp_annotations:
              summary: "bad delivers 33.33%"
              description: "gdemoi-sms list --state undelivered shows the errors."
"""


def expressions() -> Iterator[tuple[str, str]]:
    """Return where and what is asked of the figures, in all three files."""
    board = json.loads((ETC / "grafana.json").read_text("utf-8"))
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield f"grafana: {panel['title']}", target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield f"grafana: ${variable['name']}", variable["definition"]
    for rule in rules():
        yield f"prometheus: {rule['alert']}", rule["expr"]
    for what in zabbix_patterns(yaml.safe_load((ETC / "zabbix.yaml").read_text())):
        yield "zabbix", what


def rules() -> list[dict[str, Any]]:
    """Return the rules of Prometheus."""
    text = (ETC / "prometheus-alerts.yml").read_text("utf-8")
    [group] = yaml.safe_load(text)["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def zabbix_patterns(node: Any) -> Iterator[str]:
    """Return every pattern that Zabbix looks for in the figures."""
    if isinstance(node, list):
        for one in node:
            yield from zabbix_patterns(one)
    elif isinstance(node, dict):
        if str(node.get("type", "")).startswith("PROMETHEUS"):
            yield node["parameters"][0]
        for one in node.values():
            yield from zabbix_patterns(one)


class FilesTests(SynchronousTestCase):
    def test_every_metric_is_there(self) -> None:
        """A panel over a metric that nobody tells is empty for ever."""
        there = names_there()
        asked = {name for _, what in expressions() for name in NAME.findall(what)}
        self.assertEqual(asked - there, set())
        # all three files were read
        self.assertGreater(len(asked), 30)

    def test_every_label_is_there(self) -> None:
        """So with labels, and with the states that they name."""
        gateway = gateway_with_figures()
        self.assertTrue(samples(gateway))
        known = {"channel", "kind", "line", "state", "status", "method", "answer"}
        for where, what in expressions():
            for label in LABELS.findall(what):
                self.assertIn(label, known | OWN_LABELS, where)
            for states in STATE.findall(what):
                self.assertLessEqual(set(states.split("|")), set(MessageState), where)

    def test_every_alert_says_what_to_do(self) -> None:
        """A name, how grave it is, a summary, and a hint."""
        for rule in rules():
            self.assertRegex(rule["alert"], "^Gdemoi[A-Z]")
            self.assertIn(rule["labels"]["severity"], ("critical", "warning"))
            self.assertEqual(set(rule["annotations"]), {"summary", "description"})

    def test_zabbix_keys_and_ids_are_one_of_a_kind(self) -> None:
        """An import with two of one uuid or key is refused."""
        text = (ETC / "zabbix.yaml").read_text("utf-8")
        for found in (
            re.findall(r"uuid: (\w+)", text),
            re.findall(r" key: (\S+)$", text),
        ):
            self.assertEqual(len(found), len(set(found)))
        for uuid in re.findall(r"uuid: (\w+)", text):
            # version 4, as Zabbix demands
            self.assertRegex(uuid, "^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$")

    def test_grafana_panels_do_not_overlap(self) -> None:
        """Each has its own place and number."""
        board = json.loads((ETC / "grafana.json").read_text("utf-8"))
        taken: dict[tuple[int, int], str] = {}
        for panel in board["panels"]:
            at = panel["gridPos"]
            for x in range(at["x"], at["x"] + at["w"]):
                for y in range(at["y"], at["y"] + at["h"]):
                    self.assertNotIn((x, y), taken, panel["title"])
                    taken[x, y] = panel["title"]
        numbers = [panel["id"] for panel in board["panels"]]
        self.assertEqual(len(numbers), len(set(numbers)))


class PromtoolTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.tool = which("promtool")
        if self.tool is None:
            raise SkipTest("there is no promtool (Debian: prometheus)")

    def promtool(self, *words: str) -> str:
        run = subprocess.run(
            [str(self.tool), *words], capture_output=True, text=True, timeout=60
        )
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return run.stdout + run.stderr

    def test_the_rules_are_rules(self) -> None:
        """promtool reads every expression and template."""
        said = self.promtool("check", "rules", str(ETC / "prometheus-alerts.yml"))
        self.assertIn(f"{len(rules())} rules found", said)

    def test_what_they_fire_at(self) -> None:
        """A channel that is down and not paused; a ratio of enough messages."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "test.yml"
            text = RULES_TEST.format(rules=ETC / "prometheus-alerts.yml")
            file.write_text(text, "utf-8")
            self.promtool("test", "rules", str(file))

    def test_the_figures_are_prometheus_own(self) -> None:
        """`promtool check metrics` has nothing to say against names and help."""
        body = Client(gateway_with_figures()).ask("GET", "/metrics").body
        run = subprocess.run(
            [str(self.tool), "check", "metrics"],
            input=body, capture_output=True, timeout=60,
        )  # fmt: skip
        said = (run.stdout + run.stderr).decode()
        ours = [line for line in said.splitlines() if line.startswith("gdemoi_")]
        self.assertEqual(ours, [])
