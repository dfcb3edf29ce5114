"""Tyntec SMS API v1 as values.

It obeys the published API file.  Its defaults would change a command (`upperCased`
is true, transcoding replaces characters), so each is said in every request.
Receipts are not signed and their body is not described: they are read as the answer
to a send would be, and confirmed by asking.  Inbound messages cannot be asked for.
Conversations webhooks are signed; `tyntec_signature` checks that when a secret is set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

from attrs import frozen

from gdemoi.cloud.asking import get_request, json_request
from gdemoi.cloud.freshness import stale
from gdemoi.cloud.provider import (
    Balance,
    Capabilities,
    CloudMessage,
    HttpAnswer,
    HttpRequest,
    InboundPage,
    SignatureProof,
    StatusAnswer,
    ValidityLimits,
    Webhook,
    WebhookContent,
    WebhookDenied,
    WebhookKind,
    contradiction,
    fate_of_problem,
    outcome_of_error_class,
    retry_after_s,
)
from gdemoi.cloud.reading import (
    FORM,
    JSON,
    count_of,
    iso_time,
    mapping_of,
    mappings_of,
    plussed,
    price_sum,
    read_json,
    read_repaired,
    text_of,
    with_octets,
    word_of,
)
from gdemoi.cloud.settings import TyntecSettings
from gdemoi.cloud.tyntec_signature import is_signed, signed_at
from gdemoi.errors import OurFault, TheirFault
from gdemoi.message import (
    Accepted,
    Charset,
    Error,
    Inbound,
    MessageState,
    Outbound,
    Outcome,
    Receipt,
    Uncertain,
    provider_key,
)

API: Final = "https://api.tyntec.com"
MAX_NAME: Final = 11
SEPTETS_A_PART: Final = 152  # their figures for concatenated messages
UCS2_A_PART: Final = 66

# None: the provider has it and nothing more is known.
STATES: Final[dict[str, MessageState | None]] = {
    "ACCEPTED": None,
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


@frozen
class Tyntec:
    """One Tyntec API key of one channel."""

    settings: TyntecSettings
    channel: str

    name = "tyntec"

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

    @property
    def account(self) -> str:
        """The channel's name: the account is known by its secret key only."""
        return f"tyntec:{self.channel}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The key, and the token in the receipt address."""
        own = self.settings
        given = (own.api_key, own.webhook_token, own.signature_secret)
        return tuple(word for word in given if word)

    def refusal(self, draft: CloudMessage) -> Error | None:
        """Refuse what Tyntec cannot carry."""
        if not draft.message.to.startswith("+"):
            return Error("gateway:bad_number", "Tyntec takes +E.164 only")
        if draft.sender is None or not is_sender(draft.sender):
            why = "sender must be +E.164 or up to 11 letters and digits"
            return Error("gateway:sender_not_allowed", why)
        return None

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
        url = f"{self._base}/messaging/v1/sms"
        return json_request(url, payload, [self._key], self.secrets)

    def _encoding(self, draft: CloudMessage) -> str:
        if draft.message.charset is Charset.AUTO:
            return "AUTO"
        return "UNICODE" if draft.unicode else self.settings.gsm_encoding

    def outcome_of(self, answer: HttpAnswer, now: float) -> Outcome:
        """Return what the answer to the POST means."""
        try:
            told = {} if answer.cut else mapping_of(read_json(answer.body))
        except TheirFault:
            told = {}
        if 200 <= answer.status < 300:
            return self._taken(told)
        # a problem's own `status` is the number of HTTP's
        state, request_id = word_of(told.get("status")), text_of(told.get("requestId"))
        if request_id and state not in (None, "REJECTED"):
            why = f"HTTP {answer.status} and status {state}"
            return contradiction("tyntec", why, (request_id,))
        words = (text_of(told.get("title")), text_of(told.get("detail")))
        text = "; ".join(word for word in words if word) or f"HTTP {answer.status}"
        return outcome_of_error_class(
            fate_of_problem(answer.status, text),
            f"tyntec:http{answer.status}",
            text,
            retry_after_s(answer, now),
        )

    def _taken(self, told: Mapping[str, Any]) -> Outcome:
        request_id = text_of(told.get("requestId"))
        if told.get("status") == "REJECTED":
            code = text_of(told.get("errorCode")) or "REJECTED"
            text = text_of(told.get("errorReason")) or "rejected"
            error_class = fate_of_problem(400, text)
            return outcome_of_error_class(error_class, f"tyntec:{code}", text)
        if not request_id:
            return Uncertain(why="tyntec: an answer without a requestId")
        trouble = text_of(told.get("errorCode"))
        if trouble:
            why = f"a requestId and errorCode {trouble}"
            return contradiction("tyntec", why, (request_id,))
        segments = count_of(told.get("size"))
        return Accepted(provider_ids=(request_id,), segments=segments)

    def price_of(self, answer: HttpAnswer) -> Decimal | None:
        """Return the price of all parts."""
        try:
            return price_sum([mapping_of(read_json(answer.body)).get("overallPrice")])
        except TheirFault:
            return None

    def takes(self, door: WebhookKind) -> Mapping[str, Sequence[str]]:
        """Return all shapes that were seen: POST of JSON or form, and GET."""
        return {"POST": (JSON, FORM), "GET": ()}

    def events_of(self, webhook: Webhook, now: float) -> WebhookContent | WebhookDenied:
        """Check the Conversations signature where we have its secret, then read."""
        proof = self._checked(webhook, now)
        if isinstance(proof, WebhookDenied):
            return proof
        return proof.of(self._told(webhook, now), self.settings.remembered_s)

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

    def _told(self, webhook: Webhook, now: float) -> WebhookContent:
        told: Mapping[str, Any]
        if webhook.method == "POST" and webhook.content_type == JSON:
            read, spoilt = read_repaired(webhook.body)
            told = mapping_of(read)
        else:
            told, spoilt = webhook.fields(), {}
        if webhook.door is WebhookKind.INCOMING:
            inbound = with_octets(self._inbound(told, now), spoilt)
            return WebhookContent(inbounds=(inbound,))
        request_id = text_of(told.get("requestId"))
        if not request_id:
            return WebhookContent(ignored="no requestId")
        verified = self.settings.signature_secret is not None
        receipt = self._receipt(request_id, told, verified)
        return WebhookContent(receipts=() if receipt is None else (receipt,))

    def _inbound(self, told: Mapping[str, Any], now: float) -> Inbound:
        text, sender = told.get("message"), told.get("from")
        request_id, to = told.get("requestId"), told.get("to")
        if not (isinstance(text, str) and isinstance(sender, str) and request_id):
            raise TheirFault("message, from and requestId are needed")
        contents = mappings_of(told.get("contentList") or [])
        dates = [at for row in contents if (at := iso_time(row.get("sentDate")))]
        missing = text_of(told.get("missingParts")) == "true"
        return Inbound(
            channel=self.channel,
            account=self.account,
            from_=plussed(sender),
            to=plussed(to) if isinstance(to, str) else None,
            received_at=now,
            text=text,
            charset="utf-8",
            sent_at=min(dates, default=None),
            complete=not missing,
            segments=count_of(told.get("size")) or len(contents) or 1,
            dedup=f"{self.account}:in:{text_of(request_id)}",
            dedup_window_s=self.settings.remembered_s,
        )

    def _receipt(
        self, request_id: str, told: Mapping[str, Any], verified: bool
    ) -> Receipt | None:
        word, code, text = worst_of(told)
        state = STATES.get(word, MessageState.ENROUTE)
        if state is None:
            return None
        error = None
        if state not in (MessageState.DELIVERED, MessageState.ENROUTE) or code:
            error = Error(
                f"tyntec:{code or word}", text or word, (code or "") in TEMPORARY
            )
        elif word not in STATES:
            error = Error("tyntec:status", f"unknown status {word[:40]!r}")
        return Receipt(
            account=self.account,
            channel=self.channel,
            provider_id=request_id,
            keys=(provider_key(request_id),),
            state=state,
            error=error,
            about=text_of(told.get("to")),
            message_id=text_of(told.get("reference")) or None,
            at=iso_time(told.get("doneDate")),
            verified=verified,
            raw=f"status={word}" + (f" errorCode={code}" if code else ""),
        )

    def status_request(self, ids: Sequence[str], now: float) -> HttpRequest | None:
        """Return the GET of one message; kept there for three months."""
        if not ids:
            return None
        url = f"{self._base}/messaging/v1/messages/{quote(ids[0], safe='')}"
        return get_request(url, (), [self._key], self.secrets)

    def status_of(
        self, answer: HttpAnswer, ids: Sequence[str], now: float
    ) -> StatusAnswer:
        """Return the state of all parts together."""
        if answer.status == 404:
            return StatusAnswer(missing=True)
        if answer.status != 200 or answer.cut:
            return StatusAnswer(failed=f"HTTP {answer.status}")
        receipt = self._receipt(ids[0], mapping_of(read_json(answer.body)), True)
        if receipt is None:
            return StatusAnswer(pending=True)
        return StatusAnswer(receipts=(receipt,))

    def search_request(self, message: Outbound, now: float) -> HttpRequest | None:
        """A message without its id cannot be asked for."""
        return None

    def found_in(self, answer: HttpAnswer, message: Outbound) -> Receipt | None:
        """Never asked."""
        return None

    def sources_request(self) -> HttpRequest | None:
        """Inbound messages cannot be asked for."""
        return None

    def sources_of(self, answer: HttpAnswer | None) -> tuple[str, ...]:
        """Inbound messages cannot be asked for."""
        return ()

    def inbound_request(
        self, source: str, since: float, until: float, now: float
    ) -> HttpRequest:
        """Never called: there are no sources."""
        raise OurFault("Tyntec has no such question")

    def inbound_of(
        self, answer: HttpAnswer, asked: HttpRequest, now: float
    ) -> InboundPage:
        """Never called: there are no sources."""
        return InboundPage(stopped="Tyntec has no such question")

    def balance_request(self, now: float) -> HttpRequest | None:
        """There is no such address."""
        return None

    def balance_of(self, answer: HttpAnswer) -> Balance | None:
        """There is no such address."""
        return None

    @property
    def _base(self) -> str:
        return self.settings.base_url or API

    @property
    def _key(self) -> tuple[str, str]:
        return ("apikey", self.settings.api_key)


def worst_of(told: Mapping[str, Any]) -> tuple[str, str | None, str | None]:
    """Return (state, error code, text) of a message out of its parts.

    Delivered only when all parts are; failed when all are over and one failed, or
    as soon as one has failed, since the text can no longer arrive whole.
    """
    whole = (
        text_of(told.get("status")) or "",
        text_of(told.get("errorCode")),
        text_of(told.get("errorReason")),
    )
    parts = told.get("parts")
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


def is_sender(word: str) -> bool:
    """Tell whether Tyntec can send from this."""
    digits = word.removeprefix("+")
    if digits.isascii() and digits.isdigit():
        return 3 <= len(digits) <= 15
    letters = word.replace(" ", "")
    return letters.isascii() and letters.isalnum() and len(word) <= MAX_NAME
