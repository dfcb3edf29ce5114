"""Textlocal (United Kingdom and India) as values.

It obeys the documentation pages of api.txtlocal.com; no machine-readable one exists.
Textlocal cuts long text silently and turns ``%n`` into a line end, signs nothing and
does not name the message in its receipts: they are hints, told apart by our own
reference and confirmed by `status_message`.  Accounts that were moved to Webex
Interact keep only the send address, so that nothing can be asked there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from attrs import frozen

from gdemoi.cloud.exchange import (
    HttpAnswer,
    HttpRequest,
    Webhook,
    WebhookContent,
    WebhookDenied,
    WebhookKind,
)
from gdemoi.cloud.provider import (
    Balance,
    Capabilities,
    CloudMessage,
    ErrorClass,
    InboundPage,
    Provider,
    ProviderKind,
    SenderForm,
    StatusAnswer,
    ValidityLimits,
    contradiction,
    error_class_of_problem,
    not_digits,
    outcome_of_error_class,
)
from gdemoi.cloud.reading import (
    FORM,
    count_of,
    fingerprint,
    mapping_of,
    mappings_of,
    number_of,
    objects_in,
    price_sum,
    text_of,
    with_octets,
    with_plus,
    without_plus,
)
from gdemoi.cloud.settings import CloudSettings
from gdemoi.errors import TheirFault
from gdemoi.ini import choice, integer, key, rate, secret, words
from gdemoi.message import (
    Accepted,
    Error,
    Inbound,
    MessageState,
    Outcome,
    Receipt,
    Refused,
    Scope,
    Uncertain,
)

HOSTS: Final = {"uk": "https://api.txtlocal.com", "in": "https://api.textlocal.in"}
MAX_SEPTETS: Final = 765  # five segments; longer is cut without an error
MAX_UCS2: Final = 335  # five segments of 67
PAGE_SIZE: Final = 100
REPEAT_WINDOW_S: Final = 60.0  # inbound posts carry neither id nor time
UNKNOWN_COMMAND: Final = "2"
CLOSED: Final = "192"  # promotional messages of India, at night
INDIA: Final = timezone(timedelta(hours=5, minutes=30))
SENDERS: Final = SenderForm(
    digits=range(3, 14),
    name=range(3, 12),
    required=False,
    words="3 to 11 letters and digits, or up to 13 digits",
)
OPENS_AT_H: Final = 9  # code 192: promotional messages go from 9 to 21 in India

_R, _J, _H = ErrorClass.RETRY, ErrorClass.REJECT, ErrorClass.HALT
ERRORS: Final[dict[str, ErrorClass]] = {
    **dict.fromkeys(("1", "2", "3", "7"), _H),
    # a sender's name that is not allowed, or none at all
    **dict.fromkeys(("43", "44"), ErrorClass.SENDER),
    **dict.fromkeys(("4", "5", "6", "8", "9", "10", "11"), _J),
    **dict.fromkeys(("32", "33", "34", "51", "80", "191", "204"), _J),
    "192": _R,
}

STATUSES: Final[dict[str, MessageState]] = {
    "P": MessageState.ENROUTE,
    "D": MessageState.DELIVERED,
    "U": MessageState.UNDELIVERED,
    "E": MessageState.EXPIRED,
    "I": MessageState.REJECTED,
    "B": MessageState.REJECTED,
    "?": MessageState.ENROUTE,
}
STATUS_TEXTS: Final = {
    "U": "undelivered",
    "E": "expired",
    "I": "invalid number",
    "B": "blocked: do not disturb",
    "?": "no receipt after four days",
}


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return UTC


ZONES: Final[dict[str, tzinfo]] = {"uk": _zone("Europe/London"), "in": INDIA}


@frozen(kw_only=True)
class TextlocalSettings(CloudSettings):
    """Textlocal of the United Kingdom or India."""

    api_key: str = key(secret, doc="an API key of the account")
    # Textlocal publishes no limits; these have been borne
    in_flight: int = key(
        integer(1, 100), default=2, doc="requests at the same time at most"
    )
    rate: float | None = key(
        rate, default=5.0, name="throughput", doc="segments per second"
    )
    host: str = key(choice("uk", "in"), default="uk", doc="which Textlocal")
    inboxes: tuple[str, ...] = key(
        words, default=(), doc="ids of inboxes to poll; absent: all"
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        yield from CloudSettings.complaints(self)
        if self.wants_webhooks and self.webhook_token is None:
            yield "webhook_token", "is needed: Textlocal does not sign its webhooks"


@frozen
class Textlocal(Provider[TextlocalSettings]):
    """One Textlocal account of one channel."""

    name = "textlocal"
    errors = ERRORS
    capabilities = Capabilities(
        gsm_units=MAX_SEPTETS,
        ucs2_units=MAX_UCS2,
        cuts=True,
        validity=ValidityLimits("timestamp", 60, 259200),
        unsigned=True,
    )

    def refusal(self, draft: CloudMessage) -> Error | None:
        """Refuse what Textlocal would alter or refuse."""
        if "%n" in (draft.text or ""):
            why = "Textlocal turns %n into a line end"
            return Error("gateway:provider_alters_text", why)
        wrong = not_digits(draft.message.to, "Textlocal")
        return wrong or SENDERS.refusal(draft.sender)

    def request_for(self, draft: CloudMessage, now: float) -> HttpRequest:
        """Return the POST to /send/."""
        message = draft.message
        fields = [("numbers", without_plus(message.to)), ("message", draft.text or "")]
        if draft.sender is not None:
            fields.append(("sender", without_plus(draft.sender)))
        fields.append(("custom", message.id))
        if draft.callback is not None:
            fields.append(("receipt_url", draft.callback))
        left_s = message.expires_at - now
        fields.append(("validity", self.capabilities.validity.spelled(left_s, now)))
        if draft.unicode:
            fields.append(("unicode", "1"))
        return self._post("send", fields)

    def outcome_of(self, answer: HttpAnswer, now: float) -> Outcome:
        """Return what the answer means; HTTP 200 tells nothing yet."""
        fields = answer.fields()
        word = fields.get("status")
        rows = objects_in(fields.get("messages"))
        ids = [one for row in rows if (one := text_of(row.get("id")))]
        dispute = _dispute(answer.status, fields, ids)
        if dispute is not None:
            return contradiction("textlocal", dispute, ids)
        if answer.status == 200 and word == "success":
            message = fields.get("message")
            parts = message.get("num_parts") if isinstance(message, dict) else None
            return Accepted(provider_ids=tuple(ids), segments=count_of(parts))
        if answer.status == 200 and word == "failure":
            return self._refused(fields, now)
        if answer.status == 200:
            return Uncertain(why="textlocal: an answer that says nothing readable")
        return self.refused(answer, now)

    def _refused(self, fields: Mapping[str, Any], now: float) -> Outcome:
        code, text = _error_of(fields)
        if code is None:
            return Uncertain(why="textlocal: a failure without a code")
        if code == CLOSED:
            # no question of pace: until then others may carry what waits
            return Refused(
                error=Error(f"textlocal:{code}", text, retryable=True),
                scope=Scope.CHANNEL_FOR_A_WHILE,
                retry_after_s=seconds_to_opening(now),
            )
        error_class = self.errors.get(code) or error_class_of_problem(400, text)
        return outcome_of_error_class(error_class, f"textlocal:{code}", text)

    def price_of(self, answer: HttpAnswer) -> Decimal | None:
        """Return the cost: credits, or money after the move to Interact."""
        return price_sum([answer.fields().get("cost")])

    def takes(self, kind: WebhookKind) -> Mapping[str, Sequence[str]]:
        """Return the one shape there is: form POST."""
        return {"POST": (FORM,)}

    def events_of(self, webhook: Webhook, now: float) -> WebhookContent | WebhookDenied:
        """Read a form; nothing in it proves who sent it."""
        fields = webhook.fields()
        if webhook.kind is WebhookKind.INCOMING:
            octets = webhook.broken_octets("content")
            return self._inbound_reported(fields, octets, now)
        word, number = fields.get("status", ""), fields.get("number", "")
        if not word or not (number or fields.get("customID")):
            return WebhookContent(ignored="no status, or nobody it is about")
        receipt = self._receipt(
            "", word, number, fields.get("customID") or None, verified=False
        )
        known = word in STATUSES
        return WebhookContent(
            receipts=(receipt,), ignored=None if known else "unknown status word"
        )

    def _inbound_reported(
        self, fields: Mapping[str, str], octets: bytes | None, now: float
    ) -> WebhookContent:
        sender, number = fields.get("sender", ""), fields.get("inNumber")
        if not sender:
            raise TheirFault("no sender")
        text = fields.get("content", "")
        inbound = self.new_inbound(
            fingerprint(sender, number or "", text),
            sender,
            number,
            text,
            received_at=now,
            binary=octets,
            dedup_window_s=REPEAT_WINDOW_S,
        )
        return WebhookContent(inbounds=(inbound,))

    def _receipt(
        self,
        provider_id: str,
        word: str,
        number: str,
        reference: str | None,
        verified: bool,
    ) -> Receipt:
        return self.status_receipt(
            provider_id,
            STATUSES.get(word),
            word,
            word if word in STATUS_TEXTS else None,
            STATUS_TEXTS.get(word),
            about=with_plus(number) if number else None,
            message_id=reference,
            verified=verified,
            raw=f"status={word} number={number}",
        )

    def status_request(self, ids: Sequence[str], now: float) -> HttpRequest | None:
        """Return the question for one message."""
        if not ids:
            return None
        return self._post("status_message", [("message_id", ids[0])])

    def status_of(
        self, answer: HttpAnswer, ids: Sequence[str], now: float
    ) -> StatusAnswer:
        """Return the status; an account on the Interact proxy has no such address."""
        if answer.status == 404:
            return StatusAnswer(stopped="status_message is not there (Webex Interact)")
        fields, _ = answer.read()
        if fields.get("status") != "success":
            code, text = _error_of(fields)
            if code == UNKNOWN_COMMAND:
                return StatusAnswer(stopped=f"status_message is refused: {text}")
            if code in ("3", None):
                raise TheirFault(f"textlocal:{code}: {text}")
            return StatusAnswer(missing=True)
        row = mapping_of(fields.get("message"))
        word = text_of(row.get("status")) or ""
        number = text_of(row.get("recipient")) or ""
        return StatusAnswer(receipts=(self._receipt(ids[0], word, number, None, True),))

    def sources_request(self) -> HttpRequest | None:
        """Ask for all inboxes unless the settings name them."""
        return None if self.settings.inboxes else self._post("get_inboxes", [])

    def sources_of(self, answer: HttpAnswer | None) -> tuple[str, ...]:
        """Return the ids of the inboxes."""
        if answer is None:
            return self.settings.inboxes
        fields, _ = answer.read()
        rows = mappings_of(fields.get("inboxes") or [])
        return tuple(known for row in rows if (known := text_of(row.get("id"))))

    def inbound_request(
        self, source: str, since: float, until: float, now: float
    ) -> HttpRequest:
        """Return the question for the messages of an inbox, oldest first."""
        return self._messages(source, str(int(since)), 0)

    def _messages(self, source: str, since: str, start: int) -> HttpRequest:
        fields = [("inbox_id", source), ("min_time", since)]
        fields += [("sort_order", "asc"), ("sort_field", "date")]
        fields += [("start", str(start)), ("limit", str(PAGE_SIZE))]
        return self._post("get_messages", fields)

    def inbound_of(
        self, answer: HttpAnswer, asked: HttpRequest, now: float
    ) -> InboundPage:
        """Return one page; a full one has a next."""
        if answer.status == 404:
            return InboundPage(stopped="get_messages is not there (Webex Interact)")
        fields, raw_octets = answer.read()
        if fields.get("status") != "success":
            code, text = _error_of(fields)
            if code == UNKNOWN_COMMAND:
                return InboundPage(stopped=f"get_messages is refused: {text}")
            raise TheirFault(f"textlocal:{code}: {text}")
        rows = objects_in(fields.get("messages"))
        dates = [at for row in rows if (at := self._time(row.get("date")))]
        following = None
        if len(rows) >= PAGE_SIZE:
            was = dict(parse_qsl(asked.body.decode("ascii")))
            start = int(was["start"]) + PAGE_SIZE
            following = self._messages(was["inbox_id"], was["min_time"], start)
        return InboundPage(
            inbounds=tuple(
                with_octets(self._inbound(row, now), raw_octets) for row in rows
            ),
            next=following,
            newest=max(dates, default=None),
        )

    def _inbound(self, row: Mapping[str, Any], now: float) -> Inbound:
        return self.new_inbound(
            f"in:{text_of(row.get('id'))}",
            text_of(row.get("number")) or "",
            None,
            text_of(row.get("message")) or "",
            received_at=now,
            sent_at=self._time(row.get("date")),
            dedup_window_s=7 * 86400.0,
        )

    def _time(self, value: Any) -> float | None:
        """Return a date of the provider's own zone as epoch seconds."""
        try:
            at = datetime.strptime(text_of(value) or "", "%Y-%m-%d %H:%M:%S")
        except ValueError:
            return None
        return at.replace(tzinfo=ZONES[self.settings.host]).timestamp()

    def balance_request(self, now: float) -> HttpRequest | None:
        """Return the question for the credits."""
        return self._post("balance", [])

    def balance_of(self, answer: HttpAnswer) -> Balance | None:
        """Return the credits out of a balance or a send answer."""
        value = answer.fields().get("balance")
        amount = number_of(value.get("sms") if isinstance(value, dict) else value)
        return None if amount is None else Balance(amount)

    def _post(self, verb: str, fields: Sequence[tuple[str, str]]) -> HttpRequest:
        base = self.settings.base_url or HOSTS[self.settings.host]
        # the slash at the end matters; the key goes in the body, never in the URL
        key = ("apikey", self.settings.api_key)
        return self.post_form(f"{base}/{verb}/", [key, *fields])


def _error_of(fields: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return the first error's code, and all texts, warnings included."""
    texts, code = [], None
    for kind in ("errors", "warnings"):
        for row in objects_in(fields.get(kind)):
            texts.append(text_of(row.get("message")) or "")
            if kind == "errors" and code is None:
                code = text_of(row.get("code"))
    return code, "; ".join(text for text in texts if text)


def _dispute(status: int, fields: Mapping[str, Any], ids: Sequence[str]) -> str | None:
    """Return how the answer to a send contradicts itself, if it does."""
    if fields.get("status") == "success":
        code, text = _error_of(fields)
        if code is not None:
            return f"success and error {code} {text}"
        if fields.get("num_messages") == 0:
            return "success, and no message"
        return None if status == 200 else f"success and HTTP {status}"
    return "a failure and a message id" if ids else None


def seconds_to_opening(now: float) -> float:
    """Return how long it is until promotional messages may be sent in India."""
    here = datetime.fromtimestamp(now, INDIA)
    opens = here.replace(hour=OPENS_AT_H, minute=0, second=0, microsecond=0)
    if opens <= here:
        opens += timedelta(days=1)
    return (opens - here).total_seconds()


KIND: Final = ProviderKind("textlocal", TextlocalSettings, Textlocal)
