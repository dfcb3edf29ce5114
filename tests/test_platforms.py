"""The snippets for platforms publish what the gateway takes, and ask for what it tells.

Their bodies are read by the real envelope; the Python ones are run against RabbitMQ.
"""

from __future__ import annotations

import json
import re
import textwrap
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pika
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.contract.envelope import Defaults, parse_many
from gdemoi.contract.event_json import StatusEvent
from gdemoi.message import MessageClass, Outbound
from tests.services import require_rabbitmq

DOCS = Path(__file__).resolve().parents[1] / "docs"
BROKER = "amqp://guest:guest@127.0.0.1:5672/%2F"


def snippets(page: str, language: str) -> list[str]:
    """Return the code blocks of a language."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(rf"code-block:: {language}\n\n((?:   .*\n|\n)+)", text)
    return [textwrap.dedent(block) for block in found]


def text_block(code: str) -> str:
    """Return what stands between three quotes, as C# and Java read it."""
    block = re.search(r'"""\n(.*?)\n\s*"""', code, re.S)
    assert block is not None
    return textwrap.dedent(block[1])


def php_array(code: str) -> str:
    """Return the array that json_encode is given, as JSON."""
    block = re.search(r"json_encode\(\[(.*?)\], JSON_", code, re.S)
    assert block is not None
    pairs = re.findall(r"'([^']*)' => '([^']*)'", block[1])
    assert len(pairs) == block[1].count("=>")
    return json.dumps(dict(pairs))


class WrittenTests(SynchronousTestCase):
    def taken(self, body: str | bytes) -> Outbound:
        octets = body.encode() if isinstance(body, str) else body
        (message,) = parse_many(octets, defaults=Defaults("RU", 7200.0), now=0.0)
        assert isinstance(message, Outbound), message
        return message

    def test_the_bodies_are_messages(self) -> None:
        """C#, Java and PHP: a command, with both of its spaces."""
        for name, body in (
            ("csharp", text_block(snippets("platforms.rst", "csharp")[0])),
            ("java", text_block(snippets("platforms.rst", "java")[0])),
            ("php", php_array(snippets("amqp.rst", "php")[0])),
        ):
            with self.subTest(name):
                message = self.taken(body)
                self.assertEqual(message.text, "  setparam 2004:gps.example.org")
                self.assertIs(message.class_, MessageClass.COMMAND)
                self.assertEqual(message.id, "cmd-2026-000017")

    def test_what_they_read_is_told(self) -> None:
        """Each field of an event that a snippet asks for is one that events have."""
        fields = {one.encode_name for one in msgspec.structs.fields(StatusEvent)}
        asked: set[str] = set()
        for page in ("platforms.rst", "amqp.rst"):
            for language in ("csharp", "php", "python"):
                for code in snippets(page, language):
                    asked |= set(re.findall(r'GetProperty\("(\w+)"\)', code))
                    asked |= set(re.findall(r"\$told\['(\w+)'\]", code))
                    asked |= set(re.findall(r'\bevent\["(\w+)"\]', code))
        self.assertGreaterEqual(asked, {"event_id", "id", "state", "final"})
        self.assertEqual(asked - fields, set())

    def test_all_ask_for_confirms_and_for_what_is_returned(self) -> None:
        """No snippet publishes so that a message may be lost unseen."""
        for page, language, words in (
            ("amqp.rst", "python", ("confirm_delivery()", "mandatory=True")),
            ("amqp.rst", "php", ("confirm_select()", "set_return_listener")),
            ("platforms.rst", "csharp", ("TrackingEnabled: true", "mandatory: true")),
            ("platforms.rst", "java", ("confirmSelect()", "addReturnListener")),
        ):
            with self.subTest(language):
                for word in words:
                    self.assertIn(word, snippets(page, language)[0])


class RunTests(SynchronousTestCase):
    def setUp(self) -> None:
        require_rabbitmq()
        self.queue = f"gdemoi-docs-{uuid.uuid4().hex}"
        self.connection = pika.BlockingConnection(pika.URLParameters(BROKER))
        self.addCleanup(self.connection.close)
        self.channel = self.connection.channel()

    def code(self, at: int) -> str:
        code = snippets("amqp.rst", "python")[at]
        for name in ("gdemoi.outbound", "gdemoi.status"):
            code = code.replace(name, self.queue)
        return re.sub(r'"amqp://[^"]+"', repr(BROKER), code)

    def test_publishing_from_python(self) -> None:
        """What the snippet publishes is a message; without a queue it raises."""
        names: dict[str, Any] = {}
        with self.assertRaises(pika.exceptions.UnroutableError):
            exec(self.code(0), names)
        names["connection"].close()
        self.channel.queue_declare(self.queue, exclusive=False, auto_delete=False)
        self.addCleanup(self.channel.queue_delete, self.queue)
        exec(self.code(0), names)
        names["connection"].close()
        _method, properties, body = self.channel.basic_get(self.queue, auto_ack=True)
        self.assertEqual(properties.delivery_mode, 2)
        (message,) = parse_many(body, defaults=Defaults("RU", 7200.0), now=0.0)
        assert isinstance(message, Outbound), message
        self.assertEqual(message.text, "setparam 2004:example.com")

    def test_hearing_from_python(self) -> None:
        """The snippet acks what it has remembered, and tells it."""
        self.channel.queue_declare(self.queue)
        self.addCleanup(self.channel.queue_delete, self.queue)
        event = {"event_id": "e-1", "id": "cmd-1", "state": "delivered", "final": True}
        self.channel.basic_publish("", self.queue, json.dumps(event).encode())
        told: list[tuple[Any, ...]] = []
        remembered: list[str] = []

        def remember(event_id: str) -> bool:
            remembered.append(event_id)
            self.channel.stop_consuming()
            return True

        names: dict[str, Any] = {
            "json": json,
            "channel": self.channel,
            "remember": remember,
            "print": lambda *words: told.append(words),
        }
        exec(self.code(1), names)
        self.assertEqual(remembered, ["e-1"])
        self.assertEqual(told, [("cmd-1", "delivered", True)])
