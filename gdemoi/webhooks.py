"""The tree of webhook resources: ``/sms/<channel>/…`` → the channel's resource."""

from __future__ import annotations

from twisted.web.resource import IResource, NoResource, Resource


class Webhooks(Resource):
    """Where channels mount what their providers call."""

    def __init__(self) -> None:
        super().__init__()
        self._sms = Resource()
        self.putChild(b"sms", self._sms)

    def mount(self, channel: str, resource: IResource) -> None:
        """Serve `resource` below ``/sms/<channel>/``."""
        self._sms.putChild(channel.encode(), resource)

    def unmount(self, channel: str) -> None:
        """Forget what a channel mounted."""
        if channel.encode() in self._sms.children:
            self._sms.delEntity(channel.encode())

    def getChild(self, path: bytes, request: object) -> Resource:
        """Answer 404 to everything else, without saying more."""
        return NoResource()
