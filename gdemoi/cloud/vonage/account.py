"""What both Vonage APIs share: settings, credentials, balance, and the Reports API.

The Reports API (v2, synchronous records) is a paid product, charged by record; it
is asked only when `reports = yes`.  A question by ids carries no dates, and one by
dates spans 24 hours at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from attrs import frozen

from gdemoi.cloud.exchange import HttpAnswer, HttpRequest, basic
from gdemoi.cloud.provider import (
    Balance,
    CloudMessage,
    InboundPage,
    Provider,
    SenderForm,
    StatusAnswer,
    not_digits,
)
from gdemoi.cloud.reading import (
    iso_time,
    mappings_of,
    number_of,
    objects_in,
    text_of,
    with_octets,
)
from gdemoi.cloud.settings import AgedSettings
from gdemoi.ini import boolean, choice, key, rate, secret, text
from gdemoi.ini.pem import private_key as private_key_file
from gdemoi.message import (
    Error,
    Inbound,
    MessageState,
    Outbound,
    Receipt,
)

REST: Final = "https://rest.nexmo.com"
SENDERS: Final = SenderForm()
MAX_CALLBACK: Final = 100  # status 23 otherwise
REPORT_WINDOW_S: Final = 86400.0

STATUSES: Final[dict[str, MessageState]] = {
    "accepted": MessageState.ENROUTE,
    "buffered": MessageState.ENROUTE,
    "unknown": MessageState.ENROUTE,
    "submitted": MessageState.ENROUTE,
    "delivered": MessageState.DELIVERED,
    "read": MessageState.DELIVERED,
    "expired": MessageState.EXPIRED,
    "failed": MessageState.UNDELIVERED,
    "undeliverable": MessageState.UNDELIVERED,
    "deleted": MessageState.UNDELIVERED,
    "rejected": MessageState.REJECTED,
}

# err-code: what the network said; those in RESENDABLE may pass another time
ERROR_TEXTS: Final[dict[str, str]] = {
    "1": "unknown",
    "2": "absent subscriber, temporary",
    "3": "absent subscriber, permanent",
    "4": "call barred by user",
    "5": "portability error",
    "6": "anti-spam rejection",
    "7": "handset busy",
    "8": "network error",
    "9": "illegal number",
    "10": "illegal message",
    "11": "unroutable",
    "12": "destination unreachable",
    "13": "subscriber age restriction",
    "14": "number blocked by carrier",
    "15": "prepaid, insufficient funds",
    "16": "gateway quota exceeded",
    "50": "entity filter",
    "51": "header filter",
    "52": "content filter",
    "53": "consent filter",
    "54": "regulation error",
    "99": "general error",
}
RESENDABLE: Final = frozenset({"2", "7", "8", "16", "99"})


# A question that overlaps an earlier one brings nothing twice.
POLLED_FOR_S: Final = 7 * 86400.0


@frozen(kw_only=True)
class VonageSettings(AgedSettings):
    """Vonage, formerly Nexmo: the Messages API, or the older SMS API."""

    api: str = key(
        choice("messages", "sms"),
        default="messages",
        doc="messages: Messages API v1; sms: the SMS API of existing customers",
    )
    api_key: str = key(text, doc="the account's key", example="abcd1234")
    api_secret: str | None = key(secret, default=None, doc="the account's secret")
    application_id: str | None = key(
        text, default=None, doc="Messages API: application that signs with a key"
    )
    # 30 requests a second is what an account may do unless agreed otherwise
    rate: float | None = key(
        rate, default=30.0, name="throughput", doc="segments per second"
    )
    private_key: str | None = key(
        private_key_file,
        default=None,
        doc="path of the application's private key (PEM)",
    )
    signature_secret: str | None = key(
        secret, default=None, doc="signature secret; checks webhooks"
    )
    signature_method: str = key(
        choice("md5hash", "md5", "sha1", "sha256", "sha512"),
        default="md5hash",
        doc="SMS API: how the account signs webhooks",
    )
    reports: bool = key(
        boolean,
        default=False,
        doc="allow questions to the Reports API, which Vonage charges for",
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        yield from AgedSettings.complaints(self)
        if self.default_sender is None:
            yield "allowed_sender", "needs a sender: Vonage has no default one"
        if (self.application_id is None) != (self.private_key is None):
            yield "application_id", "application_id and private_key belong together"
        if self.application_id is not None and self.api == "sms":
            yield "application_id", "belongs to api = messages"
        if self.api_secret is None and (self.application_id is None or self.reports):
            yield "api_secret", "is missing"
        if "poll" in (self.receipts, self.inbound) and not self.reports:
            yield "reports", "polling uses the paid Reports API: set reports = yes"
        if self.wants_webhooks and self.signature_secret is None:
            if self.api == "messages":
                yield "signature_secret", "is needed to check webhooks"
            elif self.webhook_token is None:
                yield "signature_secret", "or webhook_token is needed for webhooks"


@frozen
class VonageAccount(Provider[VonageSettings]):
    """One Vonage account of one channel: what does not depend on the API."""

    name = "vonage"
    api = "https://api.nexmo.com"
    product = "SMS"

    @property
    def account(self) -> str:
        """The account's key, which is no secret."""
        return f"vonage:{self.settings.api_key}"

    @property
    def remembered_s(self) -> float:
        """How long an inbound message's id is known, by webhook or by question."""
        return max(POLLED_FOR_S, self.settings.remembered_s)

    @property
    def credentials(self) -> tuple[str, str]:
        """Key and secret of the account."""
        return basic(self.settings.api_key, self.settings.api_secret or "")

    def refusal(self, draft: CloudMessage) -> Error | None:
        """Refuse what neither API can carry."""
        wrong = not_digits(draft.message.to, "Vonage")
        return wrong or SENDERS.refusal(draft.sender)

    def receipt(
        self,
        provider_id: str,
        word: str,
        code: str | None,
        *,
        about: str | None = None,
        reference: str | None = None,
        at: float | None = None,
        raw: str = "",
        verified: bool = True,
    ) -> Receipt:
        """Return the receipt that a status word and an error code stand for."""
        state, text = STATUSES.get(word.lower()), f"status {word.lower()}"
        if code and code != "0":
            text = ERROR_TEXTS.get(code, f"error {code}")
        else:
            # nobody knows what became of it: that is worth a word
            code = "unknown" if word.lower() == "unknown" else None
        return self.status_receipt(
            provider_id,
            state,
            word if state is None else word.lower(),
            code,
            text,
            retryable=code in RESENDABLE,
            about=about,
            message_id=reference,
            at=at,
            raw=raw,
            verified=verified,
        )

    def status_request(self, ids: Sequence[str], now: float) -> HttpRequest | None:
        """Return the question for records by id, where paid reports are allowed."""
        if not ids or not self.settings.reports:
            return None
        return self._records(
            [("direction", "outbound"), ("id", ",".join(ids))],
        )

    def status_of(
        self, answer: HttpAnswer, ids: Sequence[str], now: float
    ) -> StatusAnswer:
        """Return the receipts in the records; of ids not found there is no news."""
        receipts = [
            self._receipt_of_record(record)
            for record in _records_in(answer.read()[0])
            if _id_of(record) in ids
        ]
        return StatusAnswer(receipts=tuple(receipts))

    def _receipt_of_record(self, record: Mapping[str, Any]) -> Receipt:
        word = text_of(record.get("status")) or ""
        code = text_of(record.get("error_code"))
        return self.receipt(
            _id_of(record),
            word,
            code,
            about=text_of(record.get("to")),
            reference=text_of(record.get("client_ref")) or None,
            at=iso_time(record.get("date_finalized")),
            raw=f"report status={word} error_code={code}",
        )

    def search_request(self, message: Outbound, now: float) -> HttpRequest | None:
        """Return the question for our own reference in the last day."""
        if not self.settings.reports:
            return None
        since = max(message.accepted_at - 60.0, now - REPORT_WINDOW_S)
        return self._records(
            [
                ("direction", "outbound"),
                ("client_ref", message.id),
                ("date_start", iso_text(since)),
                ("date_end", iso_text(now)),
            ],
        )

    def found_in(self, answer: HttpAnswer, message: Outbound) -> Receipt | None:
        """Return the record that carries our reference, if one does."""
        for record in _records_in(answer.read()[0]):
            if record.get("client_ref") == message.id:
                return self._receipt_of_record(record)
        return None

    def sources_of(self, answer: HttpAnswer | None) -> tuple[str, ...]:
        """Return the one source, nameless."""
        return ("",)

    def inbound_request(
        self, source: str, since: float, until: float, now: float
    ) -> HttpRequest:
        """Return the question for inbound records, 24 hours at most."""
        return self._records(
            [
                ("direction", "inbound"),
                ("include_message", "true"),
                ("date_start", iso_text(since)),
                ("date_end", iso_text(min(until, since + REPORT_WINDOW_S))),
            ],
        )

    def inbound_of(
        self, answer: HttpAnswer, asked: HttpRequest, now: float
    ) -> InboundPage:
        """Return one page of inbound records."""
        fields, raw_octets = answer.read()
        records = _records_in(fields)
        dates = [at for r in records if (at := iso_time(r.get("date_received")))]
        return InboundPage(
            inbounds=tuple(
                with_octets(self._inbound_of_record(r, now), raw_octets)
                for r in records
            ),
            next=self._next_of(fields),
            newest=max(dates, default=None),
        )

    def _next_of(self, fields: Mapping[str, Any]) -> HttpRequest | None:
        links = fields.get("_links")
        following = links.get("next") if isinstance(links, dict) else None
        href = following.get("href") if isinstance(following, dict) else None
        # credentials go to the host we were told to trust, and to no other
        if not isinstance(href, str) or not href.startswith(f"{self.base}/"):
            return None
        return self.get(href)

    def _inbound_of_record(self, record: Mapping[str, Any], now: float) -> Inbound:
        to = text_of(record.get("to"))
        return self.new_inbound(
            _id_of(record),
            text_of(record.get("from")) or "",
            to,
            text_of(record.get("message_body")) or "",
            received_at=now,
            sent_at=iso_time(record.get("date_received")),
            dedup_window_s=self.remembered_s,
        )

    def balance_request(self, now: float) -> HttpRequest | None:
        """Return the GET of the account's balance."""
        if self.settings.api_secret is None:
            return None
        return self.get(f"{self.settings.base_url or REST}/account/get-balance")

    def balance_of(self, answer: HttpAnswer) -> Balance | None:
        """Return the balance, always in euro, out of a balance or a send answer."""
        fields = answer.fields()
        value = number_of(fields.get("value"))
        for entry in objects_in(fields.get("messages")):
            if "remaining-balance" in entry:
                value = number_of(entry["remaining-balance"])
        return None if value is None else Balance(value, "EUR")

    def _records(self, query: Sequence[tuple[str, str]]) -> HttpRequest:
        known = [("account_id", self.settings.api_key), ("product", self.product)]
        return self.get(f"{self.base}/v2/reports/records", [*known, *query])


def iso_text(at: float) -> str:
    """Return epoch seconds as Vonage reads them."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _records_in(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    return mappings_of(fields.get("records") or [])


def _id_of(record: Mapping[str, Any]) -> str:
    return text_of(record.get("message_id") or record.get("message_uuid")) or ""
