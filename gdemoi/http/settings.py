"""The settings of ``[http]``: where the API and the webhooks listen.

Knows Twisted's endpoint descriptions far enough to tell loopback from the world;
opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import frozen
from twisted.internet.endpoints import serverFromString

from gdemoi.ini import boolean, duration, integer, key, secret, size, web_address
from gdemoi.ini.listeners import (
    KINDS,
    Listener,
    is_loopback,
    listener,
    parts_of,
    with_files,
)
from gdemoi.ini.units import FileConverter

# Shorter ones are guessed.
TOKEN_MINIMUM: Final = 8


def _endpoint(value: str) -> str:
    """Convert a Twisted endpoint description (not opened here)."""
    parts = value.split(":")
    if parts[0].isdigit():
        raise ValueError(f"{value!r} is not an endpoint; write tcp:{value}")
    if parts[0] not in KINDS or len(parts) < 2:
        raise ValueError(
            f"{value!r} is not an endpoint like tcp:8990:interface=127.0.0.1"
        )
    port = parts[1].removeprefix("port=")
    if parts[0].startswith(("tcp", "ssl")) and not (
        port.isdigit() and int(port) <= 65535
    ):
        raise ValueError(f"{port!r} is not a port")
    if parts[0].startswith("tcp"):
        # others name files, which a client that asks for the address may not read
        _try(value)
    return value


def _try(value: str) -> None:
    """Have Twisted read the options of a description."""
    try:
        serverFromString(object(), value)
    except TypeError:
        raise ValueError(f"{value!r} has an option that its kind does not") from None


def is_local(endpoint: str) -> bool:
    """Tell whether only this machine can reach an endpoint."""
    if endpoint.startswith("unix:"):
        return True
    _, named = parts_of(endpoint)
    return is_loopback(named.get("interface", ""))


endpoint: Final = FileConverter("endpoint", _endpoint, place=with_files)


@frozen(kw_only=True)
class HttpSettings:
    """The HTTP side: API, status page, metrics, and where providers call us."""

    listen: str = key(
        endpoint,
        default="tcp:8990:interface=127.0.0.1",
        doc="where the API, the status page and the metrics listen",
    )
    token: str | None = key(
        secret,
        default=None,
        doc="the word of Authorization: Bearer; may be absent only on loopback",
        example="env:GDEMOI_TOKEN",
    )
    viewer_token: str | None = key(
        secret,
        default=None,
        doc="the word of those who may look, see no texts, and change nothing",
        example="env:GDEMOI_VIEWER_TOKEN",
    )
    page_send: bool = key(
        boolean, default=True, doc="the status page has a form that sends an SMS"
    )
    webhooks: str | None = key(
        endpoint,
        default=None,
        doc="where /sms/CHANNEL/incoming and /sms/CHANNEL/status listen",
        example="tcp:22000",
    )
    public_url: str | None = key(
        web_address,
        default=None,
        doc="how providers reach `webhooks`",
        example="https://sms.example.org",
    )
    body_limit: int = key(
        size, default=1024 * 1024, doc="larger request bodies are answered 413"
    )
    streams: int = key(
        integer(1, 10_000),
        default=100,
        doc="event streams and long polls at the same time at most",
    )
    long_poll_s: float = key(
        duration, default=60.0, doc="the longest `wait` of GET /v1/events"
    )

    def listeners(self) -> Iterator[Listener]:
        """Tell which ports these settings open."""
        for name in ("listen", "webhooks"):
            described = getattr(self, name)
            found = listener(name, described) if described is not None else None
            if found is not None:
                yield found

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        if self.token is None and not is_local(self.listen):
            yield (
                "token",
                "is required, since `listen` is not on loopback (interface=127.0.0.1)",
            )
        if self.token is not None and len(self.token) < TOKEN_MINIMUM:
            yield "token", f"is shorter than {TOKEN_MINIMUM} characters"
        if self.token is not None and not self.token.isascii():
            yield "token", "has characters that an HTTP header cannot carry"
        yield from self._of_viewers()
        if self.body_limit < 1024:
            yield "body_limit", "is less than 1KiB"

    def _of_viewers(self) -> Iterator[tuple[str, str]]:
        word = self.viewer_token
        if word is None:
            return
        if self.token is None:
            yield "viewer_token", "is of no use without `token`: everybody may do all"
        if word == self.token:
            yield "viewer_token", "is the same as `token`"
        if len(word) < TOKEN_MINIMUM:
            yield "viewer_token", f"is shorter than {TOKEN_MINIMUM} characters"
        if not word.isascii():
            yield "viewer_token", "has characters that an HTTP header cannot carry"
