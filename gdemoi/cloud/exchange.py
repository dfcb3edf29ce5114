"""HTTP with a provider as values: requests, answers, webhooks and their replies.

It knows no provider, no socket and no clock.  A secret that is part of a request is
listed in it, so that nothing which shows the request shows the secret.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from gdemoi.cloud.reading import (
    FORM,
    JSON,
    mapping_of,
    octets_in,
    pairs_of,
    read_json,
    read_repaired,
    redact,
    text_of,
)
from gdemoi.errors import TheirFault
from gdemoi.message import Inbound, Receipt

LONGEST_PAUSE_S: Final = 3600.0


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request to a provider, complete; `secrets` are never shown."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    secrets: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the request as readable lines, secrets hidden."""
        shown = [f"{self.method} {self.url}"]
        shown += [f"{name}: {value}" for name, value in self.headers]
        if self.body:
            shown += ["", self.body.decode("utf-8", "replace")]
        return [redact(line, self.secrets) for line in shown]

    def __repr__(self) -> str:
        return f"<HttpRequest {redact(f'{self.method} {self.url}', self.secrets)}>"


class HttpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider answered; header names in lower case.

    `cut`: the body was longer than we read.
    """

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    cut: bool = False

    def fields(self) -> dict[str, Any]:
        """Return the JSON object in the body, an empty one when there is none whole."""
        try:
            return {} if self.cut else mapping_of(read_json(self.body))
        except TheirFault:
            return {}

    def read(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        """Return the JSON object of an answer 200, and the octets of mended texts.

        Raises `TheirFault` for another status, and for what was cut or is no object.
        """
        if self.status != 200 or self.cut:
            raise TheirFault(f"HTTP {self.status}")
        value, raw_octets = read_repaired(self.body)
        return mapping_of(value), raw_octets


def form_request(
    url: str,
    fields: Iterable[tuple[str, str]],
    headers: Iterable[tuple[str, str]] = (),
    secrets: tuple[str, ...] = (),
) -> HttpRequest:
    """Return a POST of a form; ``+`` travels as ``%2B``."""
    return HttpRequest(
        method="POST",
        url=url,
        headers=(("Content-Type", FORM), ("Accept", JSON), *headers),
        body=urlencode(list(fields)).encode("ascii"),
        secrets=secrets,
    )


def json_request(
    url: str,
    payload: Mapping[str, Any],
    headers: Iterable[tuple[str, str]] = (),
    secrets: tuple[str, ...] = (),
) -> HttpRequest:
    """Return a POST of a JSON object."""
    return HttpRequest(
        method="POST",
        url=url,
        headers=(("Content-Type", JSON), ("Accept", JSON), *headers),
        body=msgspec.json.encode(payload),
        secrets=secrets,
    )


def get_request(
    url: str,
    query: Iterable[tuple[str, str]] = (),
    headers: Iterable[tuple[str, str]] = (),
    secrets: tuple[str, ...] = (),
) -> HttpRequest:
    """Return a GET."""
    asked = urlencode(list(query))
    return HttpRequest(
        method="GET",
        url=f"{url}?{asked}" if asked else url,
        headers=(("Accept", JSON), *headers),
        secrets=secrets,
    )


def basic(user: str, password: str) -> tuple[str, str]:
    """Return the Authorization header of HTTP Basic (RFC 7617), UTF-8."""
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    return ("Authorization", f"Basic {credentials}")


def retry_after_s(
    answer: HttpAnswer, now: float, longest_s: float = LONGEST_PAUSE_S
) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110 §10.2.3), if readable.

    More than `longest_s` is asked for by mistake, or will be asked for again.
    """
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), longest_s)
    try:
        pause_s = parsedate_to_datetime(value).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, pause_s), longest_s)


class WebhookKind(StrEnum):
    """The two webhook resources of a channel."""

    INCOMING = "incoming"
    STATUS = "status"


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A request that reached one of our webhook resources.

    `url` is the public address that the provider asked for, with the query raw and
    in its order; header names are in lower case; `body` is as it came.
    """

    kind: WebhookKind
    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """Return a header that came exactly once, else None."""
        found = [value for key, value in self.headers if key == name]
        return found[0] if len(found) == 1 else None

    @property
    def content_type(self) -> str:
        """The media type of the body, in lower case, without parameters."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    def query(self) -> list[tuple[str, str]]:
        """Return the query's pairs, decoded, in order."""
        return pairs_of(urlsplit(self.url).query)

    def form(self) -> list[tuple[str, str]]:
        """Return the form body's pairs; TheirFault when it is not UTF-8."""
        try:
            return pairs_of(self.body.decode("utf-8"))
        except UnicodeDecodeError:
            raise TheirFault("the form body is not UTF-8") from None

    def broken_octets(self, name: str) -> bytes | None:
        """Return a form field's octets if they are no UTF-8, else None."""
        octets = octets_in(self.body, name)
        try:
            octets.decode("utf-8")
        except UnicodeDecodeError:
            return octets
        return None

    def fields(self) -> dict[str, str]:
        """Return one flat mapping out of a query, a form or a JSON body."""
        if self.method == "GET":
            return dict(self.query())
        if self.content_type != JSON:
            return dict(self.form())
        return {
            name: text
            for name, value in mapping_of(read_json(self.body)).items()
            if (text := text_of(value)) is not None
        }


class WebhookReply(msgspec.Struct, frozen=True):
    """How a webhook is answered once everything it told is written down."""

    status: int = 200
    content_type: str | None = None
    body: bytes = b""


class WebhookContent(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook told us.

    `replay_key` names a one-time mark (nonce, jti): a second request with it is
    answered alike and told to nobody, for `replay_window_s`.  `ignored` says why
    nothing came of it, to be counted.  `signed_at` is the time that the signature
    covers, where there is one.
    """

    receipts: tuple[Receipt, ...] = ()
    inbounds: tuple[Inbound, ...] = ()
    reply: WebhookReply = WebhookReply()
    replay_key: str | None = None
    replay_window_s: float = 600.0
    ignored: str | None = None
    signed_at: float | None = None


class SignatureProof(msgspec.Struct, frozen=True):
    """What a good signature says beside the content: when, and a one-time mark."""

    signed_at: float | None = None
    mark: str | None = None

    def of(self, content: WebhookContent, remembered_s: float) -> WebhookContent:
        """Return what was told with its proof; the mark is good for `remembered_s`."""
        return msgspec.structs.replace(
            content,
            replay_key=self.mark,
            replay_window_s=remembered_s,
            signed_at=self.signed_at,
        )


class WebhookDenied(msgspec.Struct, frozen=True):
    """A webhook that is not believed; `why` is for our log, never for the caller."""

    status: int
    why: str
