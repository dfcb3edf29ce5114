"""What a provider tells, on its way up: recorded at once, or confirmed first.

Its one rule: an unproven receipt is a hint, confirmed by asking where it can be
asked.  A send without a whole answer left no id to ask by: a hint that names our
reference may bring the id, or else is all that will ever be known.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import msgspec
from attrs import define, field
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime

from gdemoi.cloud.exchange import WebhookContent
from gdemoi.cloud.open_messages import OpenMessage, OpenMessages
from gdemoi.cloud.poller import Poller
from gdemoi.errors import Unavailable
from gdemoi.interfaces import IChannelEvents
from gdemoi.kit.recent import Recent
from gdemoi.message import FINAL, Inbound, MessageState, Outbound, Receipt, ReceiptMatch

MOST_PENDING: Final = 10_000
MOST_UNMATCHED: Final = 1000


@define
class WebhookForwarder:
    """The way up, once the channel has started."""

    events: IChannelEvents | None = None

    async def receipt(self, receipt: Receipt) -> ReceiptMatch | None:
        """Record a receipt."""
        if self.events is None:
            raise Unavailable("not started")
        return await self.events.receipt(receipt)

    async def inbound(self, inbound: Inbound) -> None:
        """Record an inbound message."""
        if self.events is None:
            raise Unavailable("not started")
        await self.events.inbound(inbound)


@define
class _PendingSend:
    """A send whose answer is not here yet (`sending`), or was lost."""

    message: Outbound
    sending: bool = True
    hint: Receipt | None = None


@define
class Confirmation:
    """Believes what is proven; asks, where it can, for the rest.

    `confirms`: receipts prove nothing here and the provider can be asked.
    """

    up: WebhookForwarder
    messages: OpenMessages
    poller: Poller
    clock: IReactorTime
    counts: Counter[str]
    confirms: bool
    _pending: Recent[str, _PendingSend] = field(factory=lambda: Recent(MOST_PENDING))
    _unmatched: Recent[str, Receipt] = field(factory=lambda: Recent(MOST_UNMATCHED))

    async def take(self, content: WebhookContent) -> None:
        """Record what a webhook told."""
        for receipt in content.receipts:
            if receipt.verified or not self.confirms:
                await self._settle(receipt)
            else:
                await self._take_hint(receipt)
        for inbound in content.inbounds:
            await self.up.inbound(inbound)

    # -- sends and their answers ---------------------------------------------

    def sending(self, message: Outbound) -> None:
        """Hear that a message leaves; a hint may be quicker than the answer."""
        if self.confirms:
            self._pending[message.id] = _PendingSend(message)

    def answered(self, message_id: str) -> None:
        """Hear that the answer came: it says more than a hint."""
        self._pending.pop(message_id, None)

    async def unanswered(self, message_id: str) -> None:
        """Hear that no whole answer came: a hint is worth more now."""
        pending = self._pending.get(message_id)
        if pending is not None:
            await self._resolve_hint(pending)

    async def asked(self, message: Outbound) -> None:
        """Hear of a message from before a restart that there is no id to ask by."""
        if self.confirms and message.id not in self._pending:
            pending = _PendingSend(message, hint=self._unmatched.pop(message.id, None))
            self._pending[message.id] = pending
            await self._resolve_hint(pending)

    async def _resolve_hint(self, pending: _PendingSend) -> None:
        pending.sending = False
        if pending.hint is not None:
            try:
                await self._resolve(pending, pending.hint)
            except (Unavailable, CancelledError):
                self.counts["receipt put off"] += 1

    # -- hints -----------------------------------------------------------------

    async def _take_hint(self, receipt: Receipt) -> None:
        now = self.clock.seconds()
        message = self.messages.hint(
            receipt.message_id, receipt.provider_id, receipt.about, now
        )
        pending = self._pending.get(receipt.message_id or "")
        known = message is not None or pending is not None
        self.counts["receipt to confirm" if known else "receipt for nobody"] += 1
        if message is not None:
            receipt = msgspec.structs.replace(receipt, message_id=message.message_id)
        elif pending is not None and not pending.sending:
            await self._resolve(pending, receipt)
            return
        if self.poller.stopped is not None:
            # nobody can be asked here: unproven receipts are all there is
            if message is not None and not receipt.provider_id:
                provider_id = message.ids[0]
                receipt = msgspec.structs.replace(receipt, provider_id=provider_id)
            await self._settle(receipt)
            return
        if pending is not None and (pending.hint is None or receipt.state in FINAL):
            pending.hint = receipt
        if not known:
            self._keep_unexpected(receipt)
        if not receipt.provider_id:
            # names our reference at best: worth a line in the message's story
            hint = msgspec.structs.replace(
                receipt, state=MessageState.ENROUTE, error=None
            )
            await self.up.receipt(hint)
        # an id that we never sent is not asked for: nobody can make us ask
        if message is not None:
            self.messages.ask_soon(message, now)
            self.poller.wake()

    def _keep_unexpected(self, receipt: Receipt) -> None:
        """Keep what fits nothing: its message may be one from before a restart."""
        name = receipt.message_id
        if name and (name not in self._unmatched or receipt.state in FINAL):
            self._unmatched[name] = receipt

    async def _resolve(self, pending: _PendingSend, hint: Receipt) -> None:
        """Ask by the id that the hint brought; believe one that brought none."""
        message = pending.message
        if hint.provider_id and self.poller.stopped is None:
            now = self.clock.seconds()
            self._pending.pop(message.id, None)
            found = OpenMessage(
                message_id=message.id,
                to=message.to,
                ids=(hint.provider_id,),
                sent_at=now,
                until=message.expires_at,
            )
            self.messages.add(found)
            self.messages.ask_soon(found, now)
            self.poller.wake()
            return
        await self._settle(hint)
        if hint.state in FINAL:
            self._pending.pop(message.id, None)

    async def _settle(self, receipt: Receipt) -> None:
        await self.up.receipt(receipt)
        if receipt.state in FINAL:
            self.messages.settle(receipt.provider_id)
            self.poller.save()
