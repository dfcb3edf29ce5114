"""Doors of a whole service: a webhook over a real socket, and its end."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.web.server import Site

from tests.doors.house import Platform
from tests.doors.test_webhook import SECRET, verified
from tests.service.test_assembly import A, ServiceTestCase
from tests.watch import until


class WebhookServiceTests(ServiceTestCase):
    async def test_events_are_posted(self) -> None:
        """To an address of this machine, since callback_allow names it."""
        platform = Platform(reactor)  # type: ignore[arg-type]
        site = Site(platform)
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        listening: Any = await endpoint.listen(site)
        self.addCleanup(listening.stopListening)
        port = listening.getHost().port
        self.write(
            A,
            f"[webhook:erp]\nurl = http://127.0.0.1:{port}/x\nsecret = {SECRET}\n"
            "callback_allow = 127.0.0.1\ntypes = channel\n",
        )
        service = await self.running()
        await service.journal.changed("a", None, "down", "cut", reactor.seconds())
        await until(lambda: any(b"cut" in one.body for one in platform.called))
        self.assertTrue(all(verified(one) for one in platform.called))
        [door] = [o for o in service.gateway.doors() if o["kind"] == "webhook"]
        self.assertEqual((door["name"], door["state"]), ("erp", "up"))
        # another gateway posts for a while, as far as this one knows
        await service.doors.follow()
        await service.journal.changed("a", None, "up", "mended", reactor.seconds())
        await service.journal.flushed()
        self.assertFalse(any(b"mended" in one.body for one in platform.called))
        await service.doors.lead()
        await until(lambda: any(b"mended" in one.body for one in platform.called))
        cuts = [one for one in platform.called if b"cut" in one.body]
        self.assertEqual(len(cuts), 1)
        self.assertIsNotNone(service.gateway.callbacks("webhook:erp"))
        self.assertIsNone(service.gateway.callbacks("webhook:x"))

    async def test_a_changed_section_takes_a_restart(self) -> None:
        """And the log says so; an address that is not allowed is a complaint."""
        hook = f"[webhook:erp]\nurl = https://erp.example.org/x\nsecret = {SECRET}\n"
        self.write(A, hook)
        service = await self.running()
        self.write(A, hook + "timeout = 10s\n")
        said = "\n".join(await self.reload(service))
        self.assertIn("[webhook:…] has changed; that takes a restart", said)
        self.write(A, hook.replace("https://erp.example.org", "http://127.0.0.1"))
        said = "\n".join(await self.reload(service))
        self.assertIn("which callback_allow does not name", said)
