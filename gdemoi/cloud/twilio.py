"""Twilio Programmable Messaging, API 2010-04-01, as values.

It knows Twilio's requests and answers; `twilio_reading` knows what a message there
says, `twilio_signature` how webhooks are signed.  It obeys Twilio's Messages
resource reference and its error dictionary; codes are kept raw, only their class is
ours, because Twilio warns that meanings may change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote, urlencode

from attrs import frozen

from gdemoi.cloud.asking import basic, form_request, get_request
from gdemoi.cloud.provider import (
    Balance,
    Capabilities,
    CloudMessage,
    HttpAnswer,
    HttpRequest,
    InboundPage,
    StatusAnswer,
    ValidityLimits,
    Webhook,
    WebhookContent,
    WebhookDenied,
    WebhookKind,
    WebhookReply,
    contradiction,
    error_class_of_status,
    fate_of_problem,
    outcome_of_error_class,
    retry_after_s,
)
from gdemoi.cloud.reading import (
    FORM,
    JSON,
    count_of,
    fingerprint,
    mapping_of,
    mappings_of,
    number_of,
    read_json,
    read_repaired,
    text_of,
    with_octets,
    word_of,
)
from gdemoi.cloud.settings import TwilioSettings
from gdemoi.cloud.twilio_reading import TwilioReader, date_of
from gdemoi.cloud.twilio_signature import is_signed
from gdemoi.cloud.twilio_words import STATUSES, SUBMIT_FATES, is_sender
from gdemoi.errors import TheirFault
from gdemoi.message import (
    Accepted,
    Error,
    Outbound,
    Outcome,
    Receipt,
    Uncertain,
)

API: Final = "https://api.twilio.com"
MAX_CHARACTERS: Final = 1600  # Body, else error 21617
QUEUE_FULL_PAUSE_S: Final = 60.0  # 21611: the sender's queue holds hours of messages
PAGE_SIZE: Final = 1000
SEARCH_SIZE: Final = 50

# Any text/plain answer to an inbound message would be sent to the phone as an SMS.
EMPTY_TWIML: Final = WebhookReply(200, "text/xml", b"<Response/>")
NO_CONTENT: Final = WebhookReply(204)


@frozen
class Twilio:
    """One Twilio account of one channel."""

    settings: TwilioSettings
    channel: str

    name = "twilio"
    capabilities = Capabilities(
        # characters count, however many septets they take: see `refusal`
        gsm_units=2 * MAX_CHARACTERS,
        ucs2_units=MAX_CHARACTERS,
        validity=ValidityLimits("seconds", 1, 36000),
    )

    @property
    def account(self) -> str:
        """The account's sid."""
        return f"twilio:{self.settings.account_sid}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Tokens, and the header value that is made of them."""
        own = self.settings
        given = (own.auth_token, own.api_secret, own.webhook_shared_key)
        return (
            self._authorization[1].removeprefix("Basic "),
            *(word for word in given if word),
        )

    @property
    def _authorization(self) -> tuple[str, str]:
        own = self.settings
        if own.api_key is not None:
            return basic(own.api_key, own.api_secret or "")
        return basic(own.account_sid, own.auth_token or "")

    @property
    def _reader(self) -> TwilioReader:
        return TwilioReader(self.account, self.channel)

    @property
    def _base(self) -> str:
        return self.settings.base_url or API

    @property
    def _messages(self) -> str:
        return f"{self._base}/2010-04-01/Accounts/{self.settings.account_sid}/Messages"

    def refusal(self, draft: CloudMessage) -> Error | None:
        """Refuse what Twilio would trim, refuse or cannot carry."""
        text = draft.text or ""
        if not draft.message.to.startswith("+"):
            return Error("gateway:bad_number", "Twilio takes +E.164 only")
        if len(text) > MAX_CHARACTERS:
            return Error("gateway:too_long", f"Twilio takes {MAX_CHARACTERS} at most")
        if self.settings.trims_text and text != text.strip():
            why = "Twilio trims spaces and line ends around the text"
            return Error("gateway:provider_alters_text", why)
        if draft.sender is not None and not is_sender(draft.sender):
            why = "must be +E.164, a short code or up to 11 letters and digits"
            return Error("gateway:sender_not_allowed", f"sender {why}")
        return None

    def request_for(self, draft: CloudMessage, now: float) -> HttpRequest:
        """Return the POST to Messages.json.  No other field is ever sent."""
        message = draft.message
        fields = [("To", message.to)]
        if draft.callback is not None:
            reference = urlencode({"m": message.id})
            fields.append(("StatusCallback", f"{draft.callback}?{reference}"))
        left_s = message.expires_at - now
        fields.append(
            ("ValidityPeriod", self.capabilities.validity.spelled(left_s, now))
        )
        # Smart Encoding swaps look-alike characters: a command must stay as it is.
        fields.append(("SmartEncoded", "false"))
        if draft.sender is None and self.settings.messaging_service_sid is not None:
            fields.append(("MessagingServiceSid", self.settings.messaging_service_sid))
        if draft.sender is not None:
            fields.append(("From", draft.sender))
        fields.append(("Body", draft.text or ""))
        url = f"{self._messages}.json"
        return form_request(url, fields, [self._authorization], self.secrets)

    def outcome_of(self, answer: HttpAnswer, now: float) -> Outcome:
        """Return what the answer to the POST means."""
        try:
            told = {} if answer.cut else mapping_of(read_json(answer.body))
        except TheirFault:
            told = {}
        sid = word_of(told.get("sid"))
        code = number_of(told.get("code"))
        if answer.status in (200, 201):
            if not sid:
                return Uncertain(why=f"twilio: {answer.status} without a readable sid")
            trouble = _trouble(told)
            if trouble is not None:
                return contradiction("twilio", f"a sid and {trouble}", (sid,))
            return Accepted(
                provider_ids=(sid,), segments=count_of(told.get("num_segments"))
            )
        if sid:
            return contradiction("twilio", f"HTTP {answer.status} and a sid", (sid,))
        text = text_of(told.get("message")) or f"HTTP {answer.status}"
        error_class = error_class_of_status(answer.status)
        if code is None:
            return outcome_of_error_class(
                error_class,
                f"twilio:http{answer.status}",
                text,
                retry_after_s(answer, now),
            )
        if answer.status < 500:
            problem = fate_of_problem(answer.status, text)
            error_class = SUBMIT_FATES.get(int(code), problem)
        pause_s = retry_after_s(answer, now)
        if code == 21611:
            pause_s = max(pause_s or 0.0, QUEUE_FULL_PAUSE_S)
        return outcome_of_error_class(error_class, f"twilio:{int(code)}", text, pause_s)

    def price_of(self, answer: HttpAnswer) -> Decimal | None:
        """The price is null until the message has gone."""
        return None

    def takes(self, door: WebhookKind) -> Mapping[str, Sequence[str]]:
        """Return methods and content types; JSON only with bodySHA256."""
        return {"POST": (FORM, JSON), "GET": ()}

    def events_of(self, webhook: Webhook, now: float) -> WebhookContent | WebhookDenied:
        """Check the signature over all fields as they came, then read them."""
        query = dict(webhook.query())
        if webhook.content_type == JSON and "bodySHA256" not in query:
            return WebhookDenied(415, "JSON without bodySHA256")
        if not is_signed(
            webhook, self.settings.auth_token, self.settings.webhook_shared_key
        ):
            return WebhookDenied(403, "signature")
        fields = webhook.fields()
        if fields.get("AccountSid") != self.settings.account_sid:
            return WebhookDenied(403, "another account")
        if not (fields.get("MessageSid") or fields.get("SmsSid")):
            raise TheirFault("no MessageSid")
        if webhook.door is WebhookKind.INCOMING:
            return self._inbound_reported(fields, now)
        return self._status_reported(fields, query.get("m"))

    def _inbound_reported(
        self, fields: Mapping[str, str], now: float
    ) -> WebhookContent:
        sid = fields.get("MessageSid") or fields["SmsSid"]
        inbound = self._reader.inbound(
            sid,
            fields.get("From", ""),
            fields.get("To"),
            fields.get("Body", ""),
            fields.get("NumSegments"),
            now,
        )
        return WebhookContent(
            inbounds=(inbound,), reply=EMPTY_TWIML, replay_key=f"in:{sid}"
        )

    def _status_reported(
        self, fields: Mapping[str, str], reference: str | None
    ) -> WebhookContent:
        sid = fields.get("MessageSid") or fields["SmsSid"]
        word = fields.get("MessageStatus") or fields.get("SmsStatus") or ""
        code = fields.get("ErrorCode")
        about = fields.get("To")
        receipt = self._reader.receipt(sid, word, code, about, reference)
        known = word.lower() in STATUSES
        return WebhookContent(
            receipts=() if receipt is None else (receipt,),
            reply=NO_CONTENT,
            replay_key="st:" + fingerprint(sid, word, code or ""),
            ignored=None if known else "unknown status word",
        )

    def status_request(self, ids: Sequence[str], now: float) -> HttpRequest | None:
        """Return the GET of one message."""
        if not ids:
            return None
        return self._get(f"{self._messages}/{quote(ids[0], safe='')}.json")

    def status_of(
        self, answer: HttpAnswer, ids: Sequence[str], now: float
    ) -> StatusAnswer:
        """Return what the message resource says."""
        if answer.status == 404:
            return StatusAnswer(missing=True)
        if answer.status != 200 or answer.cut:
            return StatusAnswer(failed=f"HTTP {answer.status}")
        receipt = self._reader.receipt_of_row(mapping_of(read_json(answer.body)))
        if receipt is None:
            return StatusAnswer(pending=True)
        return StatusAnswer(receipts=(receipt,))

    def search_request(self, message: Outbound, now: float) -> HttpRequest | None:
        """Ask for the newest messages to the recipient: the sid was never told."""
        query = [("To", message.to), ("PageSize", str(SEARCH_SIZE))]
        return self._get(f"{self._messages}.json", query)

    def found_in(self, answer: HttpAnswer, message: Outbound) -> Receipt | None:
        """Return the one message of that text since ours was accepted, if one."""
        if answer.status != 200 or answer.cut:
            return None
        rows = mappings_of(mapping_of(read_json(answer.body)).get("messages"))
        return self._reader.found_in(rows, message)

    def sources_request(self) -> HttpRequest | None:
        """Our numbers are in the settings."""
        return None

    def sources_of(self, answer: HttpAnswer | None) -> tuple[str, ...]:
        """Return our numbers."""
        return self.settings.polled_numbers

    def inbound_request(
        self, source: str, since: float, until: float, now: float
    ) -> HttpRequest:
        """Return the list of messages to one of our numbers; newest come first."""
        stamp = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        # the parameter's name is literally "DateSent>"
        query = [("To", source), ("DateSent>", stamp), ("PageSize", str(PAGE_SIZE))]
        return self._get(f"{self._messages}.json", query)

    def inbound_of(
        self, answer: HttpAnswer, asked: HttpRequest, now: float
    ) -> InboundPage:
        """Return one page; the next page's address is relative to the host."""
        if answer.status != 200 or answer.cut:
            return InboundPage(failed=f"HTTP {answer.status}")
        read, spoilt = read_repaired(answer.body)
        told = mapping_of(read)
        rows = [
            row
            for row in mappings_of(told.get("messages"))
            if row.get("direction") == "inbound"
        ]
        dates = [date for row in rows if (date := date_of(row.get("date_sent")))]
        following = text_of(told.get("next_page_uri")) or ""
        # a path, so that credentials go to no other host
        more = following.startswith("/")
        return InboundPage(
            inbounds=tuple(
                with_octets(self._reader.inbound_of_row(row, now), spoilt)
                for row in rows
            ),
            next=self._get(self._base + following) if more else None,
            newest=max(dates, default=None),
        )

    def balance_request(self, now: float) -> HttpRequest | None:
        """Return the GET of Balance.json."""
        return self._get(self._messages.removesuffix("Messages") + "Balance.json")

    def balance_of(self, answer: HttpAnswer) -> Balance | None:
        """Return the balance and its currency."""
        try:
            told = mapping_of(read_json(answer.body))
        except TheirFault:
            return None
        value = number_of(told.get("balance"))
        return None if value is None else Balance(value, text_of(told.get("currency")))

    def _get(self, url: str, query: Sequence[tuple[str, str]] = ()) -> HttpRequest:
        return get_request(url, query, [self._authorization], self.secrets)


def _trouble(told: Mapping[str, Any]) -> str | None:
    """Return what a message resource that was just made complains of, if anything."""
    for name in ("error_code", "code"):
        code = text_of(told.get(name))
        if code:
            return f"{name} {code}"
    word = text_of(told.get("status")) or ""
    return f"status {word}" if word in ("failed", "undelivered") else None
