"""What a cloud provider is: what it carries, what its errors mean, what can be asked.

It knows the class of error that an HTTP status stands for, and how a time to live is
spelled.  It knows no single provider, no socket and no clock; HTTP as values is
`exchange`'s.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, ClassVar, Final, Generic, TypeVar

import msgspec
from attrs import frozen

from gdemoi.cloud.exchange import (
    HttpAnswer,
    HttpRequest,
    Webhook,
    WebhookContent,
    WebhookDenied,
    WebhookKind,
    form_request,
    get_request,
    json_request,
    retry_after_s,
)
from gdemoi.cloud.reading import (
    FORM,
    JSON,
    with_plus,
    without_plus,
)
from gdemoi.cloud.settings import CloudSettings
from gdemoi.errors import OurFault
from gdemoi.ini import secret
from gdemoi.ini.declared import keys_of
from gdemoi.message import (
    Error,
    Inbound,
    MessageState,
    Outbound,
    Outcome,
    Receipt,
    Refused,
    Scope,
    Uncertain,
    provider_key,
)


class ErrorClass(Enum):
    """What an error of a provider means for the message and for the channel."""

    RETRY = "surely not accepted; send again later"
    UNCERTAIN = "may have been accepted; never blindly repeated"
    REJECT = "this message can never go this way"
    SENDER = "its sender cannot be used here; other senders can"
    SENDER_BUSY = "its sender has to wait; other senders go on"
    HALT = "the account or the channel is broken; someone must act"


# 403, 404: our credentials, path or host are wrong, whatever the message is.
_STATUS_CLASSES: Final = {
    400: ErrorClass.REJECT,
    401: ErrorClass.HALT,
    402: ErrorClass.HALT,
    403: ErrorClass.HALT,
    404: ErrorClass.HALT,
    405: ErrorClass.HALT,
    408: ErrorClass.UNCERTAIN,
    410: ErrorClass.HALT,
    413: ErrorClass.REJECT,
    415: ErrorClass.HALT,
    422: ErrorClass.REJECT,
    429: ErrorClass.RETRY,
}


def error_class_of_status(status: int) -> ErrorClass:
    """Return what an HTTP status alone says about a send.

    A redirect is never followed with credentials: someone must look at it.
    """
    if 300 <= status < 400:
        return ErrorClass.HALT
    return _STATUS_CLASSES.get(
        status, ErrorClass.REJECT if 400 <= status < 500 else ErrorClass.UNCERTAIN
    )


# How problem texts name the sender; "from" alone is said of all sorts of things.
_OF_SENDER: Final = re.compile(
    r"\b(sender|originator|source (address|number))\b"
    r"|[\"'`“‘]from[\"'`”’]"
    r"|\bfrom[- _](number|address|field|parameter)\b"
    r"|\b(invalid|illegal|unknown) from\b",
    re.IGNORECASE,
)


# … and the recipient.
_OF_RECIPIENT: Final = re.compile(
    r"\b(recipient|destination (number|address|country))\b"
    r"|[\"'`“‘]to[\"'`”’]"
    r"|\bto[- _](number|address|field|parameter)\b",
    re.IGNORECASE,
)


def error_class_of_problem(status: int, text: str) -> ErrorClass:
    """Return what a refusal in words says where the API has no code for it.

    What is said of sender or recipient is about this message, whatever the status is.
    """
    error_class = error_class_of_status(status)
    if error_class is ErrorClass.REJECT or status in (403, 404):
        if _OF_SENDER.search(text):
            return ErrorClass.SENDER
        return ErrorClass.REJECT if _OF_RECIPIENT.search(text) else error_class
    return error_class


def outcome_of_error_class(
    error_class: ErrorClass, code: str, text: str, retry_after_s: float | None = None
) -> Outcome:
    """Return the outcome that stands for `error_class`."""
    if error_class is ErrorClass.UNCERTAIN:
        return Uncertain(why=f"{code}: {text}")
    if error_class is ErrorClass.REJECT:
        return Refused(error=Error(code, text))
    if error_class in (ErrorClass.SENDER, ErrorClass.SENDER_BUSY):
        return Refused(
            error=Error(code, text, retryable=error_class is ErrorClass.SENDER_BUSY),
            scope=Scope.SENDER,
            retry_after_s=retry_after_s,
        )
    if error_class is ErrorClass.HALT:
        return Refused(
            error=Error(code, text, retryable=True),
            scope=Scope.CHANNEL_HALTED,
            retry_after_s=retry_after_s,
        )
    return Refused(
        error=Error(code, text, retryable=True),
        scope=Scope.CHANNEL_FOR_A_WHILE,
        throttled=True,
        retry_after_s=retry_after_s,
    )


def contradiction(name: str, why: str, ids: Iterable[str] = ()) -> Uncertain:
    """Return the outcome of an answer that both takes a message and refuses it.

    By its ids the provider can be asked, and receipts will say which it was.
    """
    return Uncertain(
        why=f"{name}: the answer contradicts itself: {why}", provider_ids=tuple(ids)
    )


class ValidityLimits(msgspec.Struct, frozen=True):
    """How a provider spells the time to live, and the bounds it takes (seconds)."""

    unit: str
    low_s: int
    high_s: int

    def spelled(self, left_s: float, now: float) -> str:
        """Return the seconds that are left in the provider's own unit.

        Less than the provider's least is raised to it: the message was still
        valid when it left.
        """
        seconds = int(min(max(left_s, self.low_s), self.high_s))
        match self.unit:
            case "milliseconds":
                return str(seconds * 1000)
            case "minutes":
                return str(max(1, seconds // 60))
            case "timestamp":
                return str(int(now) + seconds)
            case _:
                return str(seconds)


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider can carry, and how far it can be asked.

    Limits are GSM septets (an extension character takes two) and UTF-16 units.
    """

    gsm_units: int
    ucs2_units: int
    # the provider cuts what is longer without an error
    cuts: bool = False
    validity: ValidityLimits
    binary: bool = False
    flash: bool = False
    # no signature on webhooks: a path token is needed, and receipts are confirmed
    unsigned: bool = False
    polls_inbound: bool = True
    # one inbound question may span no more than this
    inbound_window_s: float | None = None
    # the longest address for receipts, in characters
    callback_length: int | None = None


class SenderForm(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider can send from: numbers of so many digits, names so long.

    `required`: it has no sender of its own.  `words` say it in a refusal.
    """

    digits: range = range(3, 16)
    name: range = range(1, 12)
    required: bool = True
    words: str = "digits, or up to 11 letters and digits"

    def takes(self, sender: str) -> bool:
        """Tell whether it can send from this."""
        digits = sender.removeprefix("+")
        if digits.isascii() and digits.isdigit():
            return len(digits) in self.digits
        letters = sender.replace(" ", "")
        return letters.isascii() and letters.isalnum() and len(sender) in self.name

    def refusal(self, sender: str | None) -> Error | None:
        """Return why a message from this sender cannot go, if so."""
        if self.takes(sender) if sender is not None else not self.required:
            return None
        return Error("gateway:sender_not_allowed", f"sender must be {self.words}")


def not_international(to: str, who: str) -> Error | None:
    """Return why `who`, which takes +E.164 only, cannot send to a number, if so."""
    if to.startswith("+"):
        return None
    return Error("gateway:bad_number", f"{who} takes +E.164 only")


def not_digits(to: str, who: str) -> Error | None:
    """Return why `who`, which takes 7 to 15 digits, cannot send to a number, if so."""
    if 7 <= len(without_plus(to)) <= 15:
        return None
    return Error("gateway:bad_number", f"{who} takes 7 to 15 digits")


class CloudMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message made ready for a provider: text chosen, sender chosen.

    `unicode`: it does not fit the GSM alphabet.  `callback` is the address for its
    receipts, None when they are polled.
    """

    message: Outbound
    text: str | None
    sender: str | None
    unicode: bool
    callback: str | None = None

    def __repr__(self) -> str:
        # the callback may hold a secret token
        return f"<Draft {self.message.id} from {self.sender}>"


class StatusAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the answer to a status question said; nothing: there is no news.

    `missing`: the provider does not know the message.  `stopped`: asking is of no use
    here any more.
    """

    receipts: tuple[Receipt, ...] = ()
    missing: bool = False
    stopped: str | None = None


class InboundPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of inbound messages; `newest` is the provider's time of the last."""

    inbounds: tuple[Inbound, ...] = ()
    next: HttpRequest | None = None
    newest: float | None = None
    stopped: str | None = None


class Balance(msgspec.Struct, frozen=True):
    """The money or credits left at a provider."""

    value: float
    currency: str | None = None


S = TypeVar("S", bound=CloudSettings)
_WELL: Final = (MessageState.ENROUTE, MessageState.DELIVERED)


@frozen
class Provider(ABC, Generic[S]):
    """One cloud provider as pure functions over its settings.

    Needed of a subclass: `name`, `capabilities`, `request_for`, `outcome_of` and
    `events_of`.  What else there is answers for a provider that cannot be asked.
    """

    settings: S
    channel: str

    # the namespace of its error codes
    name: ClassVar[str]
    # where its API answers, unless the settings say otherwise
    api: ClassVar[str] = ""
    # its codes for refused sends; those that are not here, see `refused`
    errors: ClassVar[Mapping[str, ErrorClass]] = {}

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What it can carry."""

    @property
    def account(self) -> str:
        """The carrier account that receipts are matched by; no secret.

        The channel's name stands for an account that is known by a secret key only.
        """
        return f"{self.name}:{self.channel}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret that may appear in its requests or answers.

        Those of the settings, and the header value that is made of them.
        """
        own: type = type(self.settings)
        names = _secret_fields(own)
        words = tuple(word for name in names if (word := getattr(self.settings, name)))
        if self.credentials is None:
            return words
        return (self.credentials[1].rpartition(" ")[2], *words)

    # -- requests ------------------------------------------------------------

    @property
    def base(self) -> str:
        """Where its API answers, without a slash at the end."""
        return self.settings.base_url or self.api

    @property
    def credentials(self) -> tuple[str, str] | None:
        """The header that proves in each request who asks; None: there is none."""
        return None

    def get(self, url: str, query: Iterable[tuple[str, str]] = ()) -> HttpRequest:
        """Return a GET with our credentials."""
        return get_request(url, query, self._headers, self.secrets)

    def post_form(self, url: str, fields: Iterable[tuple[str, str]]) -> HttpRequest:
        """Return a POST of a form with our credentials."""
        return form_request(url, fields, self._headers, self.secrets)

    def post_json(self, url: str, payload: Mapping[str, Any]) -> HttpRequest:
        """Return a POST of a JSON object with our credentials."""
        return json_request(url, payload, self._headers, self.secrets)

    @property
    def _headers(self) -> tuple[tuple[str, str], ...]:
        return () if self.credentials is None else (self.credentials,)

    # -- sends ---------------------------------------------------------------

    def refusal(self, draft: CloudMessage) -> Error | None:
        """Return why the provider would refuse or alter this draft, if so."""
        return None

    @abstractmethod
    def request_for(self, draft: CloudMessage, now: float) -> HttpRequest:
        """Return the request that sends the draft."""

    @abstractmethod
    def outcome_of(self, answer: HttpAnswer, now: float) -> Outcome:
        """Return what the answer to a send means."""

    def refused(
        self,
        answer: HttpAnswer,
        now: float,
        *,
        code: str | None = None,
        text: str | None = None,
        ids: Sequence[str] = (),
    ) -> Outcome:
        """Return the outcome of an error answer: by `errors`, else status and words.

        One that names a message all the same (`ids`) contradicts itself.
        """
        if ids:
            why = f"HTTP {answer.status}{f', {code}' if code else ''} and an id"
            return contradiction(self.name, why, ids)
        text = text or f"HTTP {answer.status}"
        error_class = error_class_of_problem(answer.status, text)
        if answer.status < 500:
            # a server that failed may have the message, whatever it complains of
            error_class = self.errors.get(code or "", error_class)
        return outcome_of_error_class(
            error_class,
            f"{self.name}:{code or f'http{answer.status}'}",
            text,
            retry_after_s(answer, now),
        )

    def price_of(self, answer: HttpAnswer) -> Decimal | None:
        """Return what the answer to a send says that it cost."""
        return None

    # -- webhooks ------------------------------------------------------------

    def takes(self, kind: WebhookKind) -> Mapping[str, Sequence[str]]:
        """Return the methods of a webhook, and the content types of their bodies."""
        return {"POST": (JSON, FORM)}

    @abstractmethod
    def events_of(self, webhook: Webhook, now: float) -> WebhookContent | WebhookDenied:
        """Check a webhook and return what it tells; TheirFault for a broken body."""

    def new_receipt(
        self, provider_id: str, state: MessageState, **facts: Any
    ) -> Receipt:
        """Return a receipt of this account; `facts` are further fields of it.

        It proves nothing (`verified`) where webhooks are not signed, unless said.
        """
        facts.setdefault("verified", not self.capabilities.unsigned)
        return Receipt(
            account=self.account,
            channel=self.channel,
            provider_id=provider_id,
            keys=(provider_key(provider_id),) if provider_id else (),
            state=state,
            **facts,
        )

    def status_receipt(
        self,
        provider_id: str,
        state: MessageState | None,
        word: str,
        code: str | None,
        text: str | None = None,
        *,
        retryable: bool = False,
        **facts: Any,
    ) -> Receipt:
        """Return what a status word says; `state` is its own, None: nobody knows it.

        What is not on its way and not delivered has an error: `code`, or else the word.
        So has what comes with a code.  `facts` are further fields of the receipt.
        """
        error = None
        if code or state not in (None, *_WELL):
            error = Error(f"{self.name}:{code or word}", text or word, retryable)
        elif state is None:
            error = Error(f"{self.name}:status", f"unknown status {word[:40]!r}")
        state = state or MessageState.ENROUTE
        return self.new_receipt(provider_id, state, error=error, **facts)

    def new_inbound(
        self, dedup: str, from_: str, to: str | None, text: str | None, **facts: Any
    ) -> Inbound:
        """Return an inbound message of this account; `dedup` tells it from others.

        Numbers of E.164 without their plus get it.
        """
        facts.setdefault("charset", "utf-8")
        return Inbound(
            channel=self.channel,
            account=self.account,
            from_=with_plus(from_),
            to=None if to is None else with_plus(to),
            text=text,
            dedup=f"{self.account}:{dedup}",
            **facts,
        )

    # -- questions: what became of a message ---------------------------------
    # After `TheirFault` (an answer that is of no use) the question is asked again.

    def status_request(self, ids: Sequence[str], now: float) -> HttpRequest | None:
        """Return the question what became of a message, by provider ids."""
        return None

    def status_of(
        self, answer: HttpAnswer, ids: Sequence[str], now: float
    ) -> StatusAnswer:
        """Return what the answer to `status_request` says."""
        return StatusAnswer(stopped=f"{self.name} has no such question")

    def search_request(self, message: Outbound, now: float) -> HttpRequest | None:
        """Return the question for a message whose provider id we never got."""
        return None

    def found_in(self, answer: HttpAnswer, message: Outbound) -> Receipt | None:
        """Return the one message that the search found, as a receipt."""
        return None

    # -- questions: inbound messages, where `polls_inbound` ------------------

    def sources_request(self) -> HttpRequest | None:
        """Return the question which inboxes there are; None: `sources_of` knows."""
        return None

    def sources_of(self, answer: HttpAnswer | None) -> tuple[str, ...]:
        """Return the inboxes to poll (numbers, ids, or one empty word)."""
        return ()

    def inbound_request(
        self, source: str, since: float, until: float, now: float
    ) -> HttpRequest:
        """Return the question for inbound messages of a source in a time span."""
        raise OurFault(f"{self.name} has no such question")

    def inbound_of(
        self, answer: HttpAnswer, asked: HttpRequest, now: float
    ) -> InboundPage:
        """Return the page of inbound messages that `asked` brought."""
        return InboundPage(stopped=f"{self.name} has no such question")

    # -- questions: money ----------------------------------------------------

    def balance_request(self, now: float) -> HttpRequest | None:
        """Return the question for the balance, where there is one."""
        return None

    def balance_of(self, answer: HttpAnswer) -> Balance | None:
        """Return the balance out of any answer that tells it."""
        return None


@cache
def _secret_fields(settings: type) -> tuple[str, ...]:
    return tuple(one.field for one in keys_of(settings) if one.converter is secret)


@frozen
class ProviderKind:
    """How a provider is known in the ini, and made: its one entry in the list.

    `make(settings, channel)` gives the provider, mostly its class; it raises
    `ConfigurationError` when a file that the settings name is of no use.
    """

    name: str
    settings: type[CloudSettings]
    make: Callable[[Any, str], Provider[Any]]
    aliases: tuple[str, ...] = ()
