"""A signed webhook, verified by the npm library of Standard Webhooks."""

from __future__ import annotations

import json
import subprocess
import time
from base64 import b64encode

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.doors.settings import WebhookSettings
from gdemoi.doors.webhook import WebhookCalls
from gdemoi.facts import OutboxEvent
from tests.peers.programs import HERE, require_node_package

KEY = b"0123456789abcdef0123456789abcdef"
SECRET = f"whsec_{b64encode(KEY).decode()}"
BODY = '{"type":"inbound","id":"in-1","text":"Где машина? 🚗"}'.encode()


class NodeWebhookTests(SynchronousTestCase):
    def verified(self, body: bytes) -> str:
        """Return what the library says of a request with another body perhaps."""
        settings = WebhookSettings(url="https://erp.example.org/x", secret_=SECRET)
        event = OutboxEvent(1, "ev_1", "inbound.a", BODY)
        request = WebhookCalls(settings, {}).request(event, time.time())
        told = {
            "secret": SECRET,
            "headers": dict(request.headers),
            "body": body.decode(),
        }
        self.assertEqual(request.body, BODY)
        done = subprocess.run(
            [require_node_package("standardwebhooks"), str(HERE / "node_webhook.js")],
            input=json.dumps(told).encode(),
            capture_output=True,
            check=True,
            timeout=60,
        )
        return done.stdout.decode().strip()

    def test_it_is_believed(self) -> None:
        """DW2, DW3: letters and emoji too; another body is not."""
        self.assertEqual(self.verified(BODY), "in-1")
        self.assertTrue(self.verified(BODY + b" ").startswith("refused"))
