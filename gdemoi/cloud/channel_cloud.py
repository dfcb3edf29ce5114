"""A cloud provider as a way out: `IChannel` over a pure provider file.

It puts together what the other modules know: `prepared` makes messages ready, `http`
carries requests, `webhooks` and `poller` bring receipts and inbound messages, which
`channel_receipts` takes up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, DeferredList, fail
from twisted.internet.task import deferLater
from twisted.logger import Logger
from zope.interface import implementer

from gdemoi.cloud.channel_receipts import Confirmation, WebhookForwarder
from gdemoi.cloud.encoded import CloudEncodedMessage, prepare
from gdemoi.cloud.exchange import WebhookKind
from gdemoi.cloud.health import Health
from gdemoi.cloud.http import CloudHttp, RequestNotSent, RequestUnanswered
from gdemoi.cloud.open_messages import POLLING, RECONCILING, OpenMessage, OpenMessages
from gdemoi.cloud.poller import Poller, named
from gdemoi.cloud.provider import Balance, Provider
from gdemoi.cloud.reading import redact
from gdemoi.cloud.settings import CloudSettings
from gdemoi.cloud.webhooks import WebhookHandlers
from gdemoi.errors import ConfigurationError, OurFault, TheirFault, Unavailable
from gdemoi.interfaces import (
    ChannelContext,
    EncodedMessage,
    IAttending,
    IChannel,
    IChannelEvents,
    IHalting,
)
from gdemoi.message import (
    FINAL,
    Accepted,
    Error,
    Outbound,
    Outcome,
    Receipt,
    Refused,
    Scope,
    Uncertain,
)
from gdemoi.tasks import background, in_time

log = Logger()


@implementer(IAttending, IChannel, IHalting)
class CloudChannel:
    """One account at one provider."""

    def __init__(
        self,
        kind: str,
        name: str,
        settings: CloudSettings,
        provider: Provider[Any],
        around: ChannelContext,
        http: CloudHttp,
    ) -> None:
        self.kind = kind
        self.name = name
        self.account = provider.account
        self.window = settings.window
        self.rate = settings.rate
        self.provider = provider
        self._settings = settings
        self._clock = around.clock
        self._http = http
        self._up = WebhookForwarder()
        self._counts: Counter[str] = Counter()
        self._balance: Balance | None = None
        self._spent: Decimal | None = None
        self._health = Health()
        self._submits: set[Deferred[Outcome]] = set()
        self._background: list[Deferred[Any]] = []
        self._stopping = False
        self._callback = self._callback_of(around.public_url)
        self._receipts = self._receipts_by(around.public_url)
        self._follows = self._receipts != "none" and self._can_ask
        polls = self._receipts == "poll" or self._confirms
        self.messages = OpenMessages(POLLING if polls else RECONCILING, around.random)
        self.poller = self._made_poller(around)
        self._confirmation = Confirmation(
            up=self._up,
            messages=self.messages,
            poller=self.poller,
            clock=around.clock,
            counts=self._counts,
            confirms=self._confirms,
        )
        if around.public_url is not None and settings.wants_webhooks:
            around.mount(name, self._handlers(around.public_url).resource())

    def _receipts_by(self, public_url: str | None) -> str:
        """Return how receipts are learnt here, whatever was wished."""
        wished = self._settings.receipts
        if wished == "webhook" and public_url is not None:
            return wished
        return "none" if wished == "none" or not self._can_ask else "poll"

    def _made_poller(self, around: ChannelContext) -> Poller:
        own = self._settings
        polls = own.inbound == "poll" and self.provider.capabilities.polls_inbound
        return Poller(
            provider=self.provider,
            http=self._http,
            messages=self.messages,
            clock=around.clock,
            random=around.random,
            channel=self.name,
            inbound_every_s=own.poll_every_s if polls else None,
            report_receipt=self._up.receipt,
            report_inbound=self._up.inbound,
            cursor=around.cursor,
            set_cursor=around.set_cursor,
            counts=self._counts,
        )

    def _handlers(self, public_url: str) -> WebhookHandlers:
        own = self._settings
        wanted = (
            (WebhookKind.INCOMING, own.inbound),
            (WebhookKind.STATUS, own.receipts),
        )
        return WebhookHandlers(
            provider=self.provider,
            public_url=public_url,
            token=own.webhook_token,
            open_handlers=frozenset(kind for kind, how in wanted if how == "webhook"),
            clock=self._clock,
            take=self._confirmation.take,
            channel=self.name,
            counts=self._counts,
        )

    def _callback_of(self, public_url: str | None) -> str | None:
        """Return the address for receipts that goes with each message."""
        if public_url is None or self._settings.receipts != "webhook":
            return None
        token = self._settings.webhook_token
        callback = f"{public_url}/sms/{self.name}/status" + (
            f"/{token}" if token else ""
        )
        limit = self.provider.capabilities.callback_length
        if limit is not None and len(callback) > limit:
            raise ConfigurationError(
                f"[{self.kind}:{self.name}]: the receipt address would have"
                f" {len(callback)} characters, {self.provider.name} takes {limit}"
            )
        return callback

    @property
    def _can_ask(self) -> bool:
        return self.provider.status_request(("x",), 0.0) is not None

    @property
    def _tells_balance(self) -> bool:
        return self.provider.balance_request(0.0) is not None

    @property
    def _confirms(self) -> bool:
        """True when receipts prove nothing and can be confirmed."""
        return self.provider.capabilities.unsigned and self._can_ask

    # -- IAttending ---------------------------------------------------------

    def attend(self, events: IChannelEvents) -> None:
        """Pass on what providers tell by webhook; another gateway sends."""
        self._up.events = events

    # -- IChannel -----------------------------------------------------------

    def start(self, events: IChannelEvents) -> None:
        """Begin: nothing needs to be connected first."""
        self._up.events = events
        self._stopping = False
        if self._follows or self.poller.inbound_every_s is not None:
            self.poller.start()
        if self._settings.balance_every_s > 0 and self._tells_balance:
            self._background.append(background(self._balances(), log, "balance"))
        events.able(self)

    def stop(self, grace_s: float) -> Deferred[None]:
        """Wait for answers for `grace_s`, then let go."""
        self._stopping = True
        return Deferred.fromCoroutine(self._stop(grace_s))

    async def _stop(self, grace_s: float) -> None:
        self.poller.stop()
        work, self._background = self._background, []
        for running in work:
            running.cancel()
        if self._submits:
            after = [_after(one) for one in self._submits]
            waiting = DeferredList(after, consumeErrors=True)
            await in_time(waiting, grace_s, self._clock)
        self._http.finish()
        for unanswered in list(self._submits):
            unanswered.cancel()
        self.poller.save()
        self._http.close()

    def unable(self) -> str | None:
        """Return why nothing should be sent now."""
        if self._stopping:
            return "stopping"
        if self._up.events is None:
            return "not started"
        return self._health.unable(self._clock.seconds())

    def prepare(self, message: Outbound) -> EncodedMessage | Refused:
        """Choose alphabet and sender; refuse what cannot go as it is."""
        return prepare(message, self.provider, self._settings, self._callback)

    def submit(self, prepared: EncodedMessage, attempt: int) -> Deferred[Outcome]:
        """Send it; one outcome, whatever happens."""
        if not isinstance(prepared, CloudEncodedMessage):
            raise OurFault(f"{self.name} did not prepare this message")
        work: Deferred[Outcome] = Deferred.fromCoroutine(self._submit(prepared))
        self._submits.add(work)

        def done(outcome: Outcome) -> Outcome:
            self._submits.discard(work)
            return outcome

        return work.addCallback(done)

    async def _submit(self, prepared: CloudEncodedMessage) -> Outcome:
        request = self.provider.request_for(prepared.draft, self._clock.seconds())
        code = f"{self.provider.name}:unreachable"
        message_id = prepared.message.id
        self._confirmation.sending(prepared.message)
        try:
            answer = await self._http.submit(request)
        except RequestNotSent as why:
            self._confirmation.answered(message_id)
            self._silence(str(why), lasting=why.lasting)
            return Refused(
                error=Error(code, str(why), retryable=True),
                scope=Scope.CHANNEL_FOR_A_WHILE,
                by_us=True,
            )
        except RequestUnanswered as why:
            self._silence(str(why))
            await self._confirmation.unanswered(message_id)
            return Uncertain(
                why=f"{code}: {why}", segments=prepared.segments, unanswered=True
            )
        now = self._clock.seconds()
        outcome = self._cleaned(self.provider.outcome_of(answer, now), prepared)
        self._learn(outcome)
        if isinstance(outcome, Uncertain) and not outcome.provider_ids:
            await self._confirmation.unanswered(message_id)
        else:
            self._confirmation.answered(message_id)
        if isinstance(outcome, (Accepted, Uncertain)):
            self._balance = self.provider.balance_of(answer) or self._balance
            price = self.provider.price_of(answer)
            if price is not None:
                self._spent = (self._spent or Decimal(0)) + price
            self._follow(prepared.message, outcome.provider_ids)
            # before the outcome is written: whoever stops between the two asks
            await self.poller.kept()
        return outcome

    def ask(
        self, message: Outbound, provider_ids: Sequence[str]
    ) -> Deferred[Receipt | None]:
        """Ask what became of a message, by its ids or else by its content."""
        return Deferred.fromCoroutine(self._ask(message, provider_ids))

    async def _ask(
        self, message: Outbound, provider_ids: Sequence[str]
    ) -> Receipt | None:
        now = self._clock.seconds()
        try:
            request = self.provider.status_request(provider_ids, now)
            if request is not None:
                answer = await self._http.send(request)
                polled = self.provider.status_of(answer, provider_ids, now)
                receipts = [named(one, message.id) for one in polled.receipts]
                for other in receipts[1:]:
                    await self._up.receipt(other)
                return receipts[0] if receipts else None
            request = self.provider.search_request(message, now)
            if request is None:
                await self._confirmation.asked(message)
                return None
            found = self.provider.found_in(await self._http.send(request), message)
        except (Unavailable, TheirFault) as why:
            log.info("{channel}: asking failed: {why}", channel=self.name, why=why)
            return None
        if found is None:
            return None
        if found.state not in FINAL:
            self._follow(message, (found.provider_id,))
        return named(found, message.id)

    def describe(self) -> dict[str, Any]:
        """Return what an operator wants to see; no secrets."""
        return {
            "state": self._health.state,
            "reason": self._health.reason or self.poller.stopped or "",
            "lines": [],
            "balance": None if self._balance is None else self._balance.value,
            "currency": None if self._balance is None else self._balance.currency,
            "spent": None if self._spent is None else str(self._spent),
            "provider": self.provider.name,
            "receipts": self._receipts,
            "inbound": self._settings.inbound,
            "in_flight": len(self._submits),
            "open_messages": len(self.messages),
            "counts": dict(sorted(self._counts.items())),
        }

    def end_halt(self) -> None:
        """Leave the account alone no longer."""
        self._tell(self._health.end_halt())

    def command(self, line: str, verb: str, arguments: Sequence[str]) -> Deferred[str]:
        """Answer `balance` at once; a cloud provider has no lines."""
        if verb != "balance" or not self._tells_balance:
            return fail(OurFault(f"{self.kind} has no command {verb}"))
        return Deferred.fromCoroutine(self._ask_balance())

    def _follow(self, message: Outbound, ids: Sequence[str]) -> None:
        """Begin to ask for a message that the provider has."""
        if not (self._follows and ids):
            return
        self.messages.add(
            OpenMessage(
                message_id=message.id,
                to=message.to,
                ids=tuple(ids),
                sent_at=self._clock.seconds(),
                until=message.expires_at,
            )
        )
        self.poller.wake()

    # -- how the provider is ------------------------------------------------

    def _cleaned(self, outcome: Outcome, prepared: CloudEncodedMessage) -> Outcome:
        """Fill in what only we know, and hide our secrets in their texts."""
        if isinstance(outcome, Accepted):
            expected = self._receipts != "none"
            return msgspec.structs.replace(
                outcome,
                segments=outcome.segments or prepared.segments,
                receipt_expected=expected,
            )
        if isinstance(outcome, Uncertain):
            why = redact(outcome.why, self.provider.secrets)
            segments = max(outcome.segments, prepared.segments)
            progress = outcome.progress
            if progress is not None:
                progress = msgspec.structs.replace(progress, account=self.account)
            return msgspec.structs.replace(
                outcome, why=why, segments=segments, progress=progress, unclear=True
            )
        text = redact(outcome.error.text, self.provider.secrets)
        error = msgspec.structs.replace(outcome.error, text=text)
        return msgspec.structs.replace(outcome, error=error)

    def _learn(self, outcome: Outcome) -> None:
        """Note what an answer says about the account."""
        self._tell(self._health.learn(outcome, self._clock.seconds()))

    def _silence(self, why: str, *, lasting: bool = False) -> None:
        self._tell(self._health.silence(why, lasting=lasting))

    def _tell(self, changed: bool) -> None:
        events = self._up.events
        if changed and events is not None and not self._stopping:
            events.changed(self, self._health.state, self._health.reason)
            events.able(self)

    async def _balances(self) -> None:
        while not self._stopping:
            try:
                await self._ask_balance()
            except Unavailable as why:
                log.debug("{channel}: balance: {why}", channel=self.name, why=why)
            await deferLater(self._clock, self._settings.balance_every_s)

    async def _ask_balance(self) -> str:
        request = self.provider.balance_request(self._clock.seconds())
        if request is None:
            raise Unavailable("the provider does not tell the balance")
        answer = await self._http.send(request)
        balance = self.provider.balance_of(answer) if answer.status == 200 else None
        if balance is None:
            raise Unavailable(f"no balance in the answer: HTTP {answer.status}")
        self._balance = balance
        return f"{balance.value} {balance.currency or ''}".strip()


def _after(work: Deferred[Outcome]) -> Deferred[None]:
    """Return a Deferred that fires when `work` has, without touching its result."""
    done: Deferred[None] = Deferred()

    def passed(result: Outcome) -> Outcome:
        done.callback(None)
        return result

    work.addBoth(passed)  # type: ignore[unused-awaitable]
    return done
