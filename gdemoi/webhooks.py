"""The tree of webhook resources: ``/sms/<channel>/…`` → the channel's resource."""

from __future__ import annotations

from twisted.web.pages import notFound
from twisted.web.resource import IResource, Resource


class _Folder(Resource):
    """A folder that answers 404 to what it does not have, without saying more."""

    def getChild(self, path: bytes, request: object) -> IResource:
        """Answer for a name that is not there."""
        return notFound()


class Webhooks(_Folder):
    """Where channels mount what their providers call."""

    def __init__(self) -> None:
        super().__init__()
        self._sms = _Folder()
        self.putChild(b"sms", self._sms)

    def mount(self, channel: str, resource: IResource) -> None:
        """Serve `resource` below ``/sms/<channel>/``."""
        self._sms.putChild(channel.encode(), resource)

    def unmount(self, channel: str) -> None:
        """Forget what a channel mounted."""
        if channel.encode() in self._sms.children:
            self._sms.delEntity(channel.encode())
