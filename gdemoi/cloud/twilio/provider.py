"""Twilio Programmable Messaging, API 2010-04-01, as values.

It knows Twilio's settings, requests and answers; `messages` knows what a message
there says, `signature` how webhooks are signed.  It obeys Twilio's Messages
resource reference and its error dictionary; codes are kept raw, only their class is
ours, because Twilio warns that meanings may change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from attrs import frozen

from gdemoi.cloud.exchange import (
    HttpAnswer,
    HttpRequest,
    Webhook,
    WebhookContent,
    WebhookDenied,
    WebhookKind,
    WebhookReply,
    basic,
)
from gdemoi.cloud.provider import (
    Balance,
    Capabilities,
    CloudMessage,
    ErrorClass,
    InboundPage,
    ProviderKind,
    StatusAnswer,
    ValidityLimits,
    contradiction,
    not_international,
)
from gdemoi.cloud.reading import (
    FORM,
    JSON,
    count_of,
    fingerprint,
    mappings_of,
    number_of,
    text_of,
    with_octets,
    word_of,
)
from gdemoi.cloud.settings import CloudSettings
from gdemoi.cloud.twilio.messages import STATUSES, TAKEN, TwilioMessages, date_of
from gdemoi.cloud.twilio.signature import is_signed
from gdemoi.errors import TheirFault
from gdemoi.ini import boolean, key, secret, text, words
from gdemoi.message import (
    Accepted,
    Error,
    Outbound,
    Outcome,
    Receipt,
    Refused,
    Uncertain,
)

MAX_CHARACTERS: Final = 1600  # Body, else error 21617
QUEUE_FULL: Final = 21611  # the sender's queue holds hours of messages
QUEUE_FULL_PAUSE_S: Final = 60.0
MAX_NAME: Final = 11  # alphanumeric sender
PAGE_SIZE: Final = 1000
SEARCH_SIZE: Final = 50

# Any text/plain answer to an inbound message would be sent to the phone as an SMS.
EMPTY_TWIML: Final = WebhookReply(200, "text/xml", b"<Response/>")
NO_CONTENT: Final = WebhookReply(204)

_R, _U, _J, _H = (
    ErrorClass.RETRY,
    ErrorClass.UNCERTAIN,
    ErrorClass.REJECT,
    ErrorClass.HALT,
)
_S = ErrorClass.SENDER
ERRORS: Final[dict[str, ErrorClass]] = {
    "20429": _R,
    # the queue of this From holds hours of messages
    "21611": ErrorClass.SENDER_BUSY,
    **dict.fromkeys(("20500", "20503", "20504"), _U),
    **dict.fromkeys(
        ("20003", "20005", "20006", "20008", "20403", "20404", "10001", "90010"), _H
    ),
    # 63038: the day's limit of the account; 21609: our address for receipts
    **dict.fromkeys(("63038", "21609"), _H),
    # From: missing, not ours, not able to send, not allowed (on a trial account)
    **dict.fromkeys(("21212", "21603", "21606", "21607", "21267"), _S),
    # since 2024: not a number of Twilio, not of this account, not able to send SMS
    **dict.fromkeys(("21659", "21660", "21661"), _S),
    # a messaging service that is empty or unknown; no channel for this From
    **dict.fromkeys(("21701", "21703", "21704", "21705", "21709", "63007"), _S),
    **dict.fromkeys(
        ("21211", "21217", "21604", "21612", "21614", "21608", "21408"), _J
    ),
    # 14107: many messages between the same two numbers, a loop guard
    # 21624: the validity period of this message
    **dict.fromkeys(
        ("21610", "21602", "21617", "21618", "21619", "21624", "14107"), _J
    ),
}


@frozen(kw_only=True)
class TwilioSettings(CloudSettings):
    """Twilio Programmable Messaging, API 2010-04-01."""

    account_sid: str = key(
        text, doc="AC and 32 hexadecimal digits", example="AC0123456789abcdef…"
    )
    auth_token: str | None = key(
        secret, default=None, doc="the account's primary token; signs webhooks"
    )
    api_key: str | None = key(
        text, default=None, doc="SK…: send with an API key instead of the token"
    )
    api_secret: str | None = key(secret, default=None, doc="the API key's secret")
    messaging_service_sid: str | None = key(
        text, default=None, doc="MG…: a messaging service chooses the sender"
    )
    webhook_shared_key: str | None = key(
        secret, default=None, doc="SharedKey of HMAC_SHA256 webhook signatures"
    )
    inbound_numbers: tuple[str, ...] = key(
        words, default=(), doc="our numbers to poll; else those of allowed_sender"
    )
    trims_text: bool = key(
        boolean,
        default=True,
        doc="refuse text that begins or ends with spaces, since it would lose them",
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        yield from CloudSettings.complaints(self)
        if not _is_sid(self.account_sid, "AC"):
            yield "account_sid", "must be AC and 32 hexadecimal digits"
        service = self.messaging_service_sid
        if service is not None and not _is_sid(service, "MG"):
            yield "messaging_service_sid", "must be MG and 32 hexadecimal digits"
        if service is None and self.default_sender is None:
            yield "allowed_sender", "needs a sender, or set messaging_service_sid"
        if (self.api_key is None) != (self.api_secret is None):
            yield "api_key", "api_key and api_secret belong together"
        if self.auth_token is None and self.api_key is None:
            yield "auth_token", "is missing (or set api_key and api_secret)"
        if self.wants_webhooks and self.auth_token is None:
            yield "auth_token", "is needed to check webhooks, even with an API key"
        if self.inbound == "poll" and not self.polled_numbers:
            yield "inbound_numbers", "inbound = poll needs our numbers"

    @property
    def provider_chooses_sender(self) -> bool:
        """True when a messaging service is there to choose."""
        return bool(self.messaging_service_sid)

    def phone_numbers(self) -> Iterator[tuple[str, str]]:
        """Tell the numbers that are polled: two who do would tell each SMS twice."""
        if self.inbound == "poll":
            key = "inbound_numbers" if self.inbound_numbers else "allowed_sender"
            for number in self.polled_numbers:
                yield key, number

    @property
    def polled_numbers(self) -> tuple[str, ...]:
        """Our numbers whose inbound messages are asked for."""
        return self.inbound_numbers or tuple(
            word for word in self.allowed_sender if word.startswith("+")
        )


@frozen
class Twilio(TwilioMessages[TwilioSettings]):
    """One Twilio account of one channel."""

    name = "twilio"
    api = "https://api.twilio.com"
    errors = ERRORS
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
    def credentials(self) -> tuple[str, str]:
        """The API key where there is one, else the account's own token."""
        own = self.settings
        if own.api_key is not None:
            return basic(own.api_key, own.api_secret or "")
        return basic(own.account_sid, own.auth_token or "")

    @property
    def _messages(self) -> str:
        return f"{self.base}/2010-04-01/Accounts/{self.settings.account_sid}/Messages"

    def refusal(self, draft: CloudMessage) -> Error | None:
        """Refuse what Twilio would trim, refuse or cannot carry."""
        text = draft.text or ""
        wrong = not_international(draft.message.to, "Twilio")
        if wrong is not None:
            return wrong
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
        return self.post_form(f"{self._messages}.json", fields)

    def outcome_of(self, answer: HttpAnswer, now: float) -> Outcome:
        """Return what the answer to the POST means."""
        fields = answer.fields()
        sid = word_of(fields.get("sid"))
        code = number_of(fields.get("code"))
        if answer.status in (200, 201):
            if not sid:
                return Uncertain(why=f"twilio: {answer.status} without a readable sid")
            trouble = _trouble(fields)
            if trouble is not None:
                return contradiction("twilio", f"a sid and {trouble}", (sid,))
            return Accepted(
                provider_ids=(sid,), segments=count_of(fields.get("num_segments"))
            )
        outcome = self.refused(
            answer,
            now,
            code=None if code is None else str(int(code)),
            text=text_of(fields.get("message")),
            ids=(sid,) if sid else (),
        )
        if code == QUEUE_FULL and isinstance(outcome, Refused):
            pause_s = max(outcome.retry_after_s or 0.0, QUEUE_FULL_PAUSE_S)
            return msgspec.structs.replace(outcome, retry_after_s=pause_s)
        return outcome

    def takes(self, kind: WebhookKind) -> Mapping[str, Sequence[str]]:
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
        if webhook.kind is WebhookKind.INCOMING:
            return self._inbound_reported(fields, now)
        return self._status_reported(fields, query.get("m"))

    def _inbound_reported(
        self, fields: Mapping[str, str], now: float
    ) -> WebhookContent:
        sid = fields.get("MessageSid") or fields["SmsSid"]
        inbound = self.inbound(
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
        receipt = self.receipt(sid, word, code, about, reference)
        known = word.lower() in TAKEN or word.lower() in STATUSES
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
        return self.get(f"{self._messages}/{quote(ids[0], safe='')}.json")

    def status_of(
        self, answer: HttpAnswer, ids: Sequence[str], now: float
    ) -> StatusAnswer:
        """Return what the message resource says."""
        if answer.status == 404:
            return StatusAnswer(missing=True)
        receipt = self.receipt_of_row(answer.read()[0])
        return StatusAnswer(receipts=() if receipt is None else (receipt,))

    def search_request(self, message: Outbound, now: float) -> HttpRequest | None:
        """Ask for the newest messages to the recipient: the sid was never told."""
        query = [("To", message.to), ("PageSize", str(SEARCH_SIZE))]
        return self.get(f"{self._messages}.json", query)

    def found_in(self, answer: HttpAnswer, message: Outbound) -> Receipt | None:
        """Return the one message of that text since ours was accepted, if one."""
        return self.found_row(mappings_of(answer.read()[0].get("messages")), message)

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
        return self.get(f"{self._messages}.json", query)

    def inbound_of(
        self, answer: HttpAnswer, asked: HttpRequest, now: float
    ) -> InboundPage:
        """Return one page; the next page's address is relative to the host."""
        fields, raw_octets = answer.read()
        rows = [
            row
            for row in mappings_of(fields.get("messages"))
            if row.get("direction") == "inbound"
        ]
        dates = [date for row in rows if (date := date_of(row.get("date_sent")))]
        following = text_of(fields.get("next_page_uri")) or ""
        # a path, so that credentials go to no other host
        more = following.startswith("/")
        return InboundPage(
            inbounds=tuple(
                with_octets(self.inbound_of_row(row, now), raw_octets) for row in rows
            ),
            next=self.get(self.base + following) if more else None,
            newest=max(dates, default=None),
        )

    def balance_request(self, now: float) -> HttpRequest | None:
        """Return the GET of Balance.json."""
        return self.get(self._messages.removesuffix("Messages") + "Balance.json")

    def balance_of(self, answer: HttpAnswer) -> Balance | None:
        """Return the balance and its currency."""
        fields = answer.fields()
        value = number_of(fields.get("balance"))
        return (
            None if value is None else Balance(value, text_of(fields.get("currency")))
        )


def _trouble(fields: Mapping[str, Any]) -> str | None:
    """Return what a message resource that was just made complains of, if anything."""
    for name in ("error_code", "code"):
        code = text_of(fields.get(name))
        if code:
            return f"{name} {code}"
    word = text_of(fields.get("status")) or ""
    return f"status {word}" if word in ("failed", "undelivered") else None


def _is_sid(value: str, prefix: str) -> bool:
    digits = value.removeprefix(prefix)
    return (
        len(value) == 34
        and len(digits) == 32
        and all(character in "0123456789abcdefABCDEF" for character in digits)
    )


def is_sender(word: str) -> bool:
    """Tell whether Twilio can send from this: number, short code or name."""
    if word.startswith("+"):
        digits = word[1:]
        return digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15
    if word.isascii() and word.isdigit():
        return 3 <= len(word) <= 8
    letters = [character for character in word if character not in " +-_&"]
    return (
        len(word) <= MAX_NAME
        and word.isascii()
        and all(character.isalnum() for character in letters)
        and any(character.isalpha() for character in letters)
    )


KIND: Final = ProviderKind("twilio", TwilioSettings, Twilio)
