"""Tyntec SMS API v1 as values.

It obeys the published API file.  Its defaults would change a command (`upperCased`
is true, transcoding replaces characters), so each is said in every request.
Receipts are not signed and their body is not described: they are read as the answer
to a send would be, and confirmed by asking.  Inbound messages cannot be asked for.

Conversations webhooks are signed, which is checked when a secret is set: an HMAC over
the time, a line end and the body as it came, in base64 of the URL alphabet.  The
description leaves SHA-256 or SHA-512 and the padding open: either is taken.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

from attrs import frozen

from gdemoi.cloud.exchange import (
    HttpAnswer,
    HttpRequest,
    SignatureProof,
    Webhook,
    WebhookContent,
    WebhookDenied,
    WebhookKind,
)
from gdemoi.cloud.freshness import stale
from gdemoi.cloud.provider import (
    Capabilities,
    CloudMessage,
    Provider,
    ProviderKind,
    SenderForm,
    StatusAnswer,
    ValidityLimits,
    contradiction,
    error_class_of_problem,
    not_international,
    outcome_of_error_class,
)
from gdemoi.cloud.reading import (
    FORM,
    JSON,
    count_of,
    iso_time,
    mapping_of,
    mappings_of,
    number_of,
    price_sum,
    read_repaired,
    same,
    text_of,
    with_octets,
    word_of,
)
from gdemoi.cloud.settings import AgedSettings
from gdemoi.errors import TheirFault
from gdemoi.ini import choice, duration, integer, key, secret
from gdemoi.message import (
    Accepted,
    Charset,
    Error,
    Inbound,
    MessageState,
    Outcome,
    Receipt,
    Uncertain,
)

SENDERS: Final = SenderForm(words="+E.164 or up to 11 letters and digits")
SEPTETS_A_PART: Final = 152  # their figures for concatenated messages
UCS2_A_PART: Final = 66

# The provider has it and nothing more is known.
TAKEN: Final = "ACCEPTED"
STATES: Final[dict[str, MessageState]] = {
    "BUFFERED": MessageState.ENROUTE,
    "DELIVERED": MessageState.DELIVERED,
    "EXPIRED": MessageState.EXPIRED,
    "REJECTED": MessageState.REJECTED,
    "UNDELIVERABLE": MessageState.UNDELIVERED,
}
# the worst comes first: one segment that failed spoils the message
WORST_FIRST: Final = ("REJECTED", "UNDELIVERABLE", "EXPIRED", "DELIVERED")
# GSM error codes (hexadecimal) that pass by themselves
TEMPORARY: Final = frozenset({"0005", "0006", "0008", "000a", "000d"})


@frozen(kw_only=True)
class TyntecSettings(AgedSettings):
    """Tyntec SMS API v1."""

    # Tyntec repeats an inbound SMS for 48 h
    webhook_age_s: float = key(
        duration,
        default=49 * 3600.0,
        doc="how old a signed webhook may be; longer than the provider repeats it",
    )

    api_key: str = key(secret, doc="the API key")
    gsm_encoding: str = key(
        choice("AUTO", "GSM7", "GDM7"),
        default="AUTO",
        doc="the word for text of the GSM alphabet that asks for it",
    )
    part_limit: int = key(
        integer(1, 255), default=10, doc="segments that one message may take"
    )
    signature_secret: str | None = key(
        secret, default=None, doc="checks x-signature of Conversations webhooks"
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        yield from AgedSettings.complaints(self)
        if self.default_sender is None:
            yield "allowed_sender", "needs a sender: Tyntec has no default one"
        if self.inbound == "poll":
            yield "inbound", "Tyntec cannot be asked for inbound messages"
        if self.wants_webhooks and self.webhook_token is None:
            yield "webhook_token", "is needed: this API does not sign its webhooks"


@frozen
class Tyntec(Provider[TyntecSettings]):
    """One Tyntec API key of one channel."""

    name = "tyntec"
    api = "https://api.tyntec.com"

    @property
    def capabilities(self) -> Capabilities:
        """What Tyntec carries; the length follows from `part_limit`."""
        parts = self.settings.part_limit
        return Capabilities(
            gsm_units=160 if parts == 1 else parts * SEPTETS_A_PART,
            ucs2_units=70 if parts == 1 else parts * UCS2_A_PART,
            validity=ValidityLimits("minutes", 60, 172800),
            flash=True,
            unsigned=True,
            polls_inbound=False,
        )

    def refusal(self, draft: CloudMessage) -> Error | None:
        """Refuse what Tyntec cannot carry."""
        wrong = not_international(draft.message.to, "Tyntec")
        return wrong or SENDERS.refusal(draft.sender)

    def request_for(self, draft: CloudMessage, now: float) -> HttpRequest:
        """Return the POST to /messaging/v1/sms, with every harmful default undone."""
        message = draft.message
        left_s = message.expires_at - now
        payload: dict[str, Any] = {
            "to": message.to,
            "from": draft.sender,
            "message": draft.text or "",
            "encoding": self._encoding(draft),
            "upperCased": False,
            "trate": 0,
            "mrate": 0,
            "partLimit": self.settings.part_limit,
            "validity": self.capabilities.validity.spelled(left_s, now),
            "reference": message.id,
        }
        if draft.callback is not None:
            payload["callbackUrl"] = draft.callback
            payload["callbackMethod"] = "POST"
        if message.flash:
            payload["flash"] = True
        return self.post_json(f"{self.base}/messaging/v1/sms", payload)

    def _encoding(self, draft: CloudMessage) -> str:
        if draft.message.charset is Charset.AUTO:
            return "AUTO"
        return "UNICODE" if draft.unicode else self.settings.gsm_encoding

    def outcome_of(self, answer: HttpAnswer, now: float) -> Outcome:
        """Return what the answer to the POST means."""
        fields = answer.fields()
        if 200 <= answer.status < 300:
            return self._taken(fields)
        # a problem's own `status` is the number of HTTP's
        state, request_id = (
            word_of(fields.get("status")),
            text_of(fields.get("requestId")),
        )
        if request_id and state not in (None, "REJECTED"):
            why = f"HTTP {answer.status} and status {state}"
            return contradiction("tyntec", why, (request_id,))
        words = (text_of(fields.get("title")), text_of(fields.get("detail")))
        text = "; ".join(word for word in words if word)
        return self.refused(answer, now, text=text)

    def _taken(self, fields: Mapping[str, Any]) -> Outcome:
        request_id = text_of(fields.get("requestId"))
        if fields.get("status") == "REJECTED":
            code = text_of(fields.get("errorCode")) or "REJECTED"
            text = text_of(fields.get("errorReason")) or "rejected"
            error_class = error_class_of_problem(400, text)
            return outcome_of_error_class(error_class, f"tyntec:{code}", text)
        if not request_id:
            return Uncertain(why="tyntec: an answer without a requestId")
        trouble = text_of(fields.get("errorCode"))
        if trouble:
            why = f"a requestId and errorCode {trouble}"
            return contradiction("tyntec", why, (request_id,))
        segments = count_of(fields.get("size"))
        return Accepted(provider_ids=(request_id,), segments=segments)

    def price_of(self, answer: HttpAnswer) -> Decimal | None:
        """Return the price of all parts."""
        return price_sum([answer.fields().get("overallPrice")])

    def takes(self, kind: WebhookKind) -> Mapping[str, Sequence[str]]:
        """Return all shapes that were seen: POST of JSON or form, and GET."""
        return {"POST": (JSON, FORM), "GET": ()}

    def events_of(self, webhook: Webhook, now: float) -> WebhookContent | WebhookDenied:
        """Check the Conversations signature where we have its secret, then read."""
        proof = self._checked(webhook, now)
        if isinstance(proof, WebhookDenied):
            return proof
        return proof.of(self._content(webhook, now), self.settings.remembered_s)

    def _checked(self, webhook: Webhook, now: float) -> SignatureProof | WebhookDenied:
        secret = self.settings.signature_secret
        if secret is None:
            return SignatureProof()
        if not is_signed(webhook, secret):
            return WebhookDenied(401, "signature")
        at = signed_at(webhook)
        why = stale(at, now, self.settings.webhook_age_s)
        return (
            SignatureProof(at)
            if why is None
            else WebhookDenied(401, f"timestamp: {why}")
        )

    def _content(self, webhook: Webhook, now: float) -> WebhookContent:
        fields: Mapping[str, Any]
        if webhook.method == "POST" and webhook.content_type == JSON:
            read, raw_octets = read_repaired(webhook.body)
            fields = mapping_of(read)
        else:
            fields, raw_octets = webhook.fields(), {}
        if webhook.kind is WebhookKind.INCOMING:
            inbound = with_octets(self._inbound(fields, now), raw_octets)
            return WebhookContent(inbounds=(inbound,))
        request_id = text_of(fields.get("requestId"))
        if not request_id:
            return WebhookContent(ignored="no requestId")
        verified = self.settings.signature_secret is not None
        receipt = self._receipt(request_id, fields, verified)
        return WebhookContent(receipts=() if receipt is None else (receipt,))

    def _inbound(self, fields: Mapping[str, Any], now: float) -> Inbound:
        text, sender = fields.get("message"), fields.get("from")
        request_id, to = fields.get("requestId"), fields.get("to")
        if not (isinstance(text, str) and isinstance(sender, str) and request_id):
            raise TheirFault("message, from and requestId are needed")
        contents = mappings_of(fields.get("contentList") or [])
        dates = [at for row in contents if (at := iso_time(row.get("sentDate")))]
        missing = text_of(fields.get("missingParts")) == "true"
        return self.new_inbound(
            f"in:{text_of(request_id)}",
            sender,
            to if isinstance(to, str) else None,
            text,
            received_at=now,
            sent_at=min(dates, default=None),
            complete=not missing,
            segments=count_of(fields.get("size")) or len(contents) or 1,
            dedup_window_s=self.settings.remembered_s,
        )

    def _receipt(
        self, request_id: str, fields: Mapping[str, Any], verified: bool
    ) -> Receipt | None:
        word, code, text = worst_of(fields)
        if word == TAKEN:
            return None
        return self.status_receipt(
            request_id,
            STATES.get(word),
            word,
            code,
            text,
            retryable=code in TEMPORARY,
            about=text_of(fields.get("to")),
            message_id=text_of(fields.get("reference")) or None,
            at=iso_time(fields.get("doneDate")),
            verified=verified,
            raw=f"status={word}" + (f" errorCode={code}" if code else ""),
        )

    def status_request(self, ids: Sequence[str], now: float) -> HttpRequest | None:
        """Return the GET of one message; kept there for three months."""
        if not ids:
            return None
        return self.get(f"{self.base}/messaging/v1/messages/{quote(ids[0], safe='')}")

    def status_of(
        self, answer: HttpAnswer, ids: Sequence[str], now: float
    ) -> StatusAnswer:
        """Return the state of all parts together."""
        if answer.status == 404:
            return StatusAnswer(missing=True)
        receipt = self._receipt(ids[0], answer.read()[0], True)
        return StatusAnswer(receipts=() if receipt is None else (receipt,))

    @property
    def credentials(self) -> tuple[str, str]:
        """The key."""
        return ("apikey", self.settings.api_key)


def worst_of(fields: Mapping[str, Any]) -> tuple[str, str | None, str | None]:
    """Return (state, error code, text) of a message out of its parts.

    Delivered only when all parts are; failed when all are over and one failed, or
    as soon as one has failed, since the text can no longer arrive whole.
    """
    whole = (
        text_of(fields.get("status")) or "",
        text_of(fields.get("errorCode")),
        text_of(fields.get("errorReason")),
    )
    parts = fields.get("parts")
    if not isinstance(parts, list) or not parts:
        return whole
    rows = [
        (
            text_of(row.get("deliveryState")) or whole[0],
            text_of(row.get("errorCode")) or whole[1],
            text_of(row.get("statusText")) or whole[2],
        )
        for row in mappings_of(parts)
    ]
    for word in WORST_FIRST[:3]:
        for row in rows:
            if row[0] == word:
                return row
    unfinished = [row for row in rows if row[0] != "DELIVERED"]
    if not unfinished:
        return ("DELIVERED", None, None)
    if any(row[0] == "DELIVERED" for row in rows):
        return ("BUFFERED", None, None)
    return unfinished[0]


def conversation_signature(
    secret: str, timestamp: str, body: bytes, digest: str
) -> str:
    """Return x-signature of a Conversations webhook, without padding."""
    signed = timestamp.encode("utf-8") + b"\n" + body
    mac = hmac.new(secret.encode("utf-8"), signed, digest).digest()
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")


def is_signed(webhook: Webhook, secret: str) -> bool:
    """Check x-signature (SHA-256 or SHA-512, padded or not)."""
    given = (webhook.header("x-signature") or "").rstrip("=")
    timestamp = webhook.header("x-request-timestamp") or ""
    if not given:
        return False
    right = False
    for digest in ("sha256", "sha512"):
        expected = conversation_signature(secret, timestamp, webhook.body, digest)
        right |= same(expected, given)
    return right


def signed_at(webhook: Webhook) -> float | None:
    """Return when it was signed, as epoch seconds; None when that is not readable."""
    timestamp = webhook.header("x-request-timestamp") or ""
    at = number_of(timestamp)
    if at is None:
        return iso_time(timestamp)
    return at / 1000 if at > 1e11 else at  # milliseconds


KIND: Final = ProviderKind("tyntec", TyntecSettings, Tyntec)
