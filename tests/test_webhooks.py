"""The tree of webhook resources."""

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource, getChildForRequest
from twisted.web.test.requesthelper import DummyRequest

from gdemoi.webhooks import Webhooks


class WebhooksTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.webhooks = Webhooks()
        self.mounted = Resource()
        self.incoming = Resource()
        self.mounted.putChild(b"incoming", self.incoming)
        self.webhooks.mount("eu", self.mounted)

    def find(self, *path: bytes) -> Resource:
        request = DummyRequest(list(path))
        return getChildForRequest(self.webhooks, request)

    def status(self, *path: bytes) -> int:
        request = DummyRequest(list(path))
        getChildForRequest(self.webhooks, request).render(request)
        assert request.responseCode is not None
        return int(request.responseCode)

    def test_a_channel_is_found_below_its_name(self) -> None:
        """/sms/<channel>/incoming is what the channel mounted there."""
        self.assertIs(self.find(b"sms", b"eu", b"incoming"), self.incoming)

    def test_everything_else_is_not_found(self) -> None:
        """Other paths answer 404."""
        for path in ((b"",), (b"sms", b"us"), (b"admin",), (b"sms", b"eu", b"x")):
            self.assertEqual(self.status(*path), 404)

    def test_an_unmounted_channel_is_gone(self) -> None:
        """After a reload without the channel its path answers 404."""
        self.webhooks.unmount("eu")
        self.assertEqual(self.status(b"sms", b"eu", b"incoming"), 404)
        self.webhooks.unmount("eu")
