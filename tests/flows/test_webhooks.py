"""Webhooks at the real process: bounded, and their secrets reach no log."""

from __future__ import annotations

from pathlib import Path

import treq
from twisted.internet import reactor
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, HTTPConnectionPool

from tests.flows.process import GatewayProcess, free_port
from tests.watch import LIMIT_S

TOKEN = "path-token-9f86d081884c7d65"
KEY = "api-key-2c26b46b68ffc68f"
INI = """\
[gateway]
name = webhook-test
home_country = RU
journal = sqlite:///journal.sqlite
log_level = debug

[textlocal:uk]
api_key = {key}
webhook_token = {token}
allowed_sender = GDEMOI
base_url = http://127.0.0.1:{nobody}
"""
INBOUND = b"sender=79161234567&content=hello+gateway&inNumber=60777&msgId=77"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class WebhookTests(TestCase):
    timeout = 110

    async def setUp(self) -> None:
        ini = INI.format(key=KEY, token=TOKEN, nobody=free_port())
        self.port = free_port()
        self.gateway = GatewayProcess(Path(self.mktemp()), ini)
        with self.gateway.config.open("a") as more:
            more.write(f"webhooks = tcp:{self.port}:interface=127.0.0.1\n")
            more.write("public_url = https://sms.example.org\n")
        self.agent = Agent(reactor, pool=HTTPConnectionPool(reactor, persistent=False))
        self.gateway.start()
        await self.gateway.ready()

    def tearDown(self) -> None:
        self.gateway.end()

    async def call(self, path: str, body: bytes = INBOUND) -> int:
        response = await treq.post(
            f"http://127.0.0.1:{self.port}/sms/uk/{path}",
            data=body,
            headers=FORM,
            agent=self.agent,
            timeout=LIMIT_S,
        )
        await treq.content(response)
        return int(response.code)

    async def test_a_token_in_a_path_never_reaches_the_log(self) -> None:
        """Whatever is asked with it, and however that is answered."""
        answers = [
            await self.call(f"incoming/{TOKEN}"),
            await self.call(f"incoming/{TOKEN}", b"content=from+nobody"),
            await self.call(f"incoming/{TOKEN}", b"x" * 70000),
            await self.call(f"incoming/{TOKEN}/more"),
            await self.call(f"nowhere/{TOKEN}"),
            await self.call(f"incoming/{TOKEN}x"),
        ]
        self.assertEqual(answers, [200, 400, 413, 404, 404, 404])
        (event,) = await self.gateway.events()
        self.assertEqual((event["type"], event["text"]), ("inbound", "hello gateway"))
        self.gateway.kill()
        log = self.gateway.log.read_text()
        self.assertIn("incoming webhook refused with 400", log)
        for secret in (TOKEN, KEY):
            self.assertNotIn(secret, log)
