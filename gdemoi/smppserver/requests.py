"""What a bound client asks: submits, and questions about what it submitted.

A submit is answered with ESME_ROK after the commit of its message and not before; all
that came in one read share one commit.  When nothing could be written, the answer is
ESME_RSYSERR (or ESME_RMSGQFUL while the backlog is full), which clients try again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from twisted.logger import Logger

from gdemoi.accounts.account import Limit
from gdemoi.contract.gateway import Gateway, Search
from gdemoi.errors import Unavailable
from gdemoi.facts import AcceptResult, Rejected, Stored
from gdemoi.message import Error, MessageState, Outbound
from gdemoi.smpp.pdu.pdus import (
    CancelSm,
    DataSm,
    DestAddress,
    Pdu,
    QuerySm,
    ReplaceSm,
    SubmitMulti,
    SubmitSm,
    UnsuccessSme,
)
from gdemoi.smpp.pdu.statuses import Status
from gdemoi.smppserver.clients import SmppClient, status_of
from gdemoi.smppserver.message_ids import MessageIds
from gdemoi.smppserver.protocol import ServerConnection
from gdemoi.smppserver.receipts import ENROUTE, STATES, Told, error_digits
from gdemoi.smppserver.submits import NotTaken, SubmitReader, fingerprint_of
from gdemoi.smppserver.times import write_time

# An id that was used before is no reason to refuse a message.
_ID_TRIES: Final = 3
# Messages that a cancel_sm without an id may be about.
_CANCEL_MOST: Final = 500
_LIMIT_STATUS: Final = {
    Limit.RATE: int(Status.RTHROTTLED),
    Limit.DAILY: int(Status.RSUBMITFAIL),
    Limit.MONTHLY: int(Status.RSUBMITFAIL),
}
_ROK: Final = int(Status.ROK)
Verdict = AcceptResult | Rejected


class _Submit:
    """One request on its way into the journal: its messages and their verdicts."""

    __slots__ = ("fingerprint", "message_id", "messages", "outcome", "pdu", "refused")

    def __init__(self, pdu: SubmitSm | DataSm | SubmitMulti) -> None:
        self.pdu = pdu
        self.message_id = ""
        self.messages: list[Outbound] = []
        self.refused: list[tuple[DestAddress, int]] = []
        self.fingerprint: bytes | None = None
        # the command_status that answers it, once that is known
        self.outcome: int | None = None


class ClientRequests:
    """Answers the requests of one session."""

    log = Logger()

    def __init__(
        self,
        connection: ServerConnection,
        client: SmppClient,
        reader: SubmitReader,
        gateway: Gateway,
        ids: MessageIds,
        in_flight: set[bytes],
        is_closing: Callable[[], bool],
    ) -> None:
        self.client = client
        self._connection = connection
        self._reader = reader
        self._gateway = gateway
        self._ids = ids
        # what is being written down just now, of this client (`dedup_window`)
        self._in_flight = in_flight
        self._is_closing = is_closing

    # -- submits

    async def submit(self, pdus: Sequence[SubmitSm | DataSm | SubmitMulti]) -> None:
        """Take messages: one commit, then the answers."""
        submits = [_Submit(pdu) for pdu in pdus]
        try:
            if self._is_closing():
                raise Unavailable("the gateway is stopping")
            await self._reserve(submits)
            for submit in submits:
                self._prepare(submit)
            await self._write(submits)
        except Unavailable as fault:
            self.log.warn(
                "SMPP client {client}: nothing is taken: {fault}",
                client=self.client.name,
                fault=fault,
            )
        finally:
            for submit in submits:
                self._answer(submit)
            self._connection.flush()

    async def _reserve(self, submits: Sequence[_Submit]) -> None:
        if self._connection.version < 0x34 and not self._ids.has_short(len(submits)):
            await self._ids.reserve(len(submits) * _ID_TRIES)

    def _new_id(self, now: float) -> str:
        if self._connection.version < 0x34 and self._ids.has_short(1):
            return self._ids.short()
        return self._ids.long(now)

    def _prepare(self, submit: _Submit) -> None:
        """Make the messages of a request; refuse what cannot be taken."""
        try:
            self._read(submit)
        except NotTaken as fault:
            submit.messages = []
            submit.outcome = fault.status
            self.log.debug(
                "SMPP client {client}: {pdu} refused: {why}",
                client=self.client.name,
                pdu=submit.pdu.command,
                why=fault.why,
            )

    def _read(self, submit: _Submit) -> None:
        pdu, reader, now = submit.pdu, self._reader, self._gateway.seconds()
        raw = reader.raw(pdu)
        account = self.client.account
        if account.settings.dedup_window_s and not isinstance(pdu, SubmitMulti):
            fingerprint = fingerprint_of(reader.sender, pdu, raw)
            known = account.first_of(fingerprint)
            if known is not None:
                submit.message_id, submit.outcome = known, _ROK
                return
            if fingerprint in self._in_flight:
                raise NotTaken(Status.RMSGQFUL, "the same is being written down")
        else:
            fingerprint = None
        submit.message_id = self._new_id(now)
        if isinstance(pdu, SubmitMulti):
            for one in reader.many(pdu, raw, submit.message_id, now):
                if isinstance(one, Outbound):
                    submit.messages.append(one)
                else:
                    submit.refused.append(one)
        else:
            submit.messages = reader.messages(pdu, raw, submit.message_id, now)
        limit = account.admit(len(submit.messages)) if submit.messages else None
        if limit is not None:
            raise NotTaken(_LIMIT_STATUS[limit], limit.value)
        if fingerprint is not None:
            submit.fingerprint = fingerprint
            self._in_flight.add(fingerprint)

    async def _write(self, submits: Sequence[_Submit]) -> None:
        """Have the journal take what is there; settle every submit."""
        open_ = [one for one in submits if one.outcome is None]
        batch = [(m, m.id.encode()) for one in open_ for m in one.messages]
        verdicts: Sequence[Verdict] = ()
        taken = 0
        try:
            if batch:
                verdicts = await self._gateway.accept(batch)
            given = iter(verdicts)
            for one in open_:
                of_one = [next(given) for _ in one.messages]
                taken += await self._settle(one, of_one)
        except Unavailable:
            status = Status.RMSGQFUL if self._gateway.full() else Status.RSYSERR
            for one in open_:
                if one.outcome is None:
                    one.outcome = int(status)
            raise
        finally:
            if len(batch) > taken:
                self.client.account.returned(len(batch) - taken)
            for one in open_:
                if one.fingerprint is not None:
                    self._in_flight.discard(one.fingerprint)

    async def _settle(self, submit: _Submit, verdicts: Sequence[Verdict]) -> int:
        """Take the verdicts of one request; return how many messages were taken."""
        taken = 0
        for message, verdict in zip(submit.messages, verdicts, strict=True):
            final = verdict
            for _ in range(_ID_TRIES):
                if isinstance(final, Stored | Rejected):
                    break
                # the id was used before: by another gateway, or before a clock was
                # set back
                final = await self._again(submit, message)
            if isinstance(final, Stored):
                taken += 1
                continue
            code = final.error.code if isinstance(final, Rejected) else ""
            status = status_of(code) if code else int(Status.RSYSERR)
            if isinstance(submit.pdu, SubmitMulti):
                submit.refused.append((_address(message), status))
            else:
                submit.outcome = status
        if submit.outcome is None:
            submit.outcome = _ROK
            if submit.fingerprint is not None:
                account = self.client.account
                account.remember(submit.fingerprint, submit.message_id)
        return taken

    async def _again(self, submit: _Submit, message: Outbound) -> Verdict:
        """Write a message under another id, of which the client has not heard yet."""
        replace = msgspec.structs.replace
        fresh = self._new_id(self._gateway.seconds())
        if not isinstance(submit.pdu, SubmitMulti):
            submit.message_id = fresh
            assert message.origin is not None
            origin = replace(message.origin, message_id=fresh)
            message = replace(message, id=fresh, origin=origin)
        else:
            # one message_id speaks for all of them; ours is for the journal only
            message = replace(message, id=f"{submit.message_id}-{fresh}")
        verdicts = await self._gateway.accept([(message, message.id.encode())])
        return verdicts[0]

    def _answer(self, submit: _Submit) -> None:
        status = int(Status.RSYSERR) if submit.outcome is None else submit.outcome
        if status:
            self.client.count_refused(status)
            self._connection.answer(submit.pdu, status)
            return
        self.client.submitted += 1
        fields: dict[str, Any] = {"message_id": submit.message_id}
        if isinstance(submit.pdu, SubmitMulti):
            fields["unsuccess_sme"] = tuple(
                UnsuccessSme(
                    one.dest_addr_ton, one.dest_addr_npi, one.destination_addr, status
                )
                for one, status in submit.refused
            )
        self._connection.answer(submit.pdu, _ROK, **fields)

    # -- questions

    async def ask(self, pdu: Pdu) -> None:
        """Answer query_sm, cancel_sm, replace_sm."""
        status = int(Status.RSYSERR)
        fields: dict[str, Any] = {}
        try:
            if isinstance(pdu, QuerySm):
                status, fields = await self._query(pdu)
            elif isinstance(pdu, CancelSm):
                status = await self._cancel(pdu)
            elif isinstance(pdu, ReplaceSm):
                status = await self._replace(pdu)
        except Unavailable as fault:
            if isinstance(pdu, QuerySm):
                status = int(Status.RQUERYFAIL)
            self.log.warn(
                "SMPP client {client}: {command} is not answered: {fault}",
                client=self.client.name,
                command=pdu.command,
                fault=fault,
            )
        finally:
            if status:
                self.client.count_refused(status)
            self._connection.answer(pdu, status, **fields)
            self._connection.flush()

    async def _mine(self, message_id: str, source: str) -> dict[str, Any] | None:
        """Return the story of a message of this account, None: there is none.

        `source`, where it is given, is the submit_sm's (SMPP 3.4 §4.8.1).
        """
        story = await self._gateway.story(message_id) if message_id else None
        if story is None or story.get("account") != self.client.account.name:
            return None
        origin = story["message"].get("origin")
        if origin is None or (source and origin["source"][2] != source):
            return None
        return story

    async def _query(self, pdu: QuerySm) -> tuple[int, dict[str, Any]]:
        story = await self._mine(pdu.message_id, pdu.source_addr)
        if story is None:
            return int(Status.RINVMSGID), {}
        state = MessageState(story["state"])
        _, message_state = STATES.get(state, ENROUTE)
        last = story["events"][-1] if story["events"] else None
        final_date, error_code = "", 0
        if story["final"] and last is not None:
            at = datetime.fromisoformat(last["at"])
            final_date = write_time(at.timestamp())
            error = last["error"] and msgspec.convert(last["error"], Error)
            told = Told(state, True, at, error or None)
            error_code = int(error_digits(told)) & 0xFF
        return _ROK, {
            "message_id": pdu.message_id,
            "final_date": final_date,
            "message_state": message_state,
            "error_code": error_code,
        }

    async def _cancel(self, pdu: CancelSm) -> int:
        if not pdu.message_id:
            return await self._cancel_all(pdu)
        story = await self._mine(pdu.message_id, pdu.source_addr)
        if story is None:
            return int(Status.RINVMSGID)
        done = await self._gateway.cancel(pdu.message_id)
        return _ROK if done else int(Status.RCANCELFAIL)

    async def _cancel_all(self, pdu: CancelSm) -> int:
        """Cancel what goes from one address to another (SMPP 3.4 §4.9)."""
        address = pdu.dest_addr_ton, pdu.dest_addr_npi, pdu.destination_addr
        try:
            to = self._reader.number(address)
        except NotTaken:
            return int(Status.RINVDSTADR)
        page = await self._gateway.search(Search(to=to, limit=_CANCEL_MOST))
        found = 0
        for row in page.messages:
            if row["final"] or row.get("account") != self.client.account.name:
                continue
            story = await self._mine(row["id"], "")
            if story is None or not _is_of(story["message"]["origin"], pdu):
                continue
            found += bool(await self._gateway.cancel(row["id"]))
        return _ROK if found else int(Status.RINVMSGID)

    async def _replace(self, pdu: ReplaceSm) -> int:
        """Refuse: what is in the journal is never changed (SMPP 3.4 §4.10.2)."""
        story = await self._mine(pdu.message_id, pdu.source_addr)
        return int(Status.RINVMSGID if story is None else Status.RREPLACEFAIL)


def _address(message: Outbound) -> DestAddress:
    assert message.origin is not None
    return DestAddress(*message.origin.destination)


def _is_of(origin: dict[str, Any], pdu: CancelSm) -> bool:
    """Tell whether a message is one that a cancel_sm without an id means."""
    same = origin["source"][2] == pdu.source_addr
    return same and (
        not pdu.service_type or origin.get("service_type", "") == pdu.service_type
    )
