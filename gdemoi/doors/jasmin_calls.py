"""Jasmin's callbacks: dlr-url of a message, batches, and inbound SMS.

A callback is taken when the answer is below 400 and its body is ``ACK/Jasmin``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from gdemoi.accounts.account import Account
from gdemoi.cloud.exchange import HttpAnswer, HttpRequest
from gdemoi.doors.callbacks import SCHEDULE_S, CallbackPolicy
from gdemoi.doors.client import complaint_of_url, target_of, without_userinfo
from gdemoi.doors.kannel_calls import StatusTold, read_status
from gdemoi.doors.requests import FORM
from gdemoi.doors.settings import JasminSettings
from gdemoi.errors import OurFault
from gdemoi.facts import OutboxEvent
from gdemoi.message import Charset, HttpOrigin, MessageState
from gdemoi.smpp.pdu.statuses import name_of
from gdemoi.smppserver.receipts import STATES, UNKNOWN, Arrived, arrived, error_digits
from gdemoi.text import charset as charsets

ACK: Final = b"ACK/Jasmin"
# Jasmin's own four calls, then as all callbacks.
JASMIN_SCHEDULE_S: Final = (30.0, 30.0, 30.0, *SCHEDULE_S[1:])
SUBMITTED_LEVEL: Final = 1
FINAL_LEVEL: Final = 2
_AGENT: Final = (
    ("Accept", "text/plain"),
    ("User-Agent", "Jasmin gateway/1.0 DLRThrower"),
)
_UNCERTAIN: Final = "gateway:uncertain"
_SMPP: Final = "smpp:0x"
_DATE: Final = "%y%m%d%H%M"
Fields = dict[str, str | bytes]


class JasminCalls:
    """Makes the requests of one section (`gdemoi.doors.callbacks.CallbackMaker`)."""

    def __init__(self, name: str, settings: JasminSettings, account: Account) -> None:
        self.policy = CallbackPolicy(
            schedule_s=JASMIN_SCHEDULE_S,
            event_ttl_s=settings.event_ttl_s,
            in_flight=settings.in_flight,
        )
        self._label = f"jasmin:{name}"
        self._settings = settings
        self._account = account

    def wants(self, event: OutboxEvent) -> bool:
        """Tell whether an event is one of this client's messages, or for it."""
        origin = event.http_origin
        if origin is not None:
            return origin.door == self._label and self._call(event, origin) is not None
        if self._settings.inbound_url is None:
            return False
        if not event.routing_key.startswith("inbound."):
            return False
        told = arrived(event)
        return self._account.takes_inbound(told.channel, told.to)

    def target(self, event: OutboxEvent) -> str:
        """Return the host and port of the address."""
        return target_of(self._url_of(event))

    def _url_of(self, event: OutboxEvent) -> str:
        origin = event.http_origin
        if origin is None:
            return self._settings.inbound_url or ""
        found = self._call(event, origin)
        return "" if found is None else found[0]

    def request(self, event: OutboxEvent, now: float) -> HttpRequest | None:
        """Return the request of an event; None: nothing is to be told."""
        origin = event.http_origin
        if origin is None:
            assert self._settings.inbound_url is not None
            fields = _inbound(arrived(event))
            method = self._settings.inbound_method
            return self._made(method, self._settings.inbound_url, fields)
        found = self._call(event, origin)
        if found is None:
            return None
        url, method, fields = found
        return self._made(method, url, fields)

    def is_taken(self, event: OutboxEvent, answer: HttpAnswer) -> bool:
        """Tell whether the far side has it; of a batch's message any 2xx will do."""
        origin = event.http_origin
        if origin is not None and _is_of_batch(event, origin):
            return 200 <= answer.status < 300
        return answer.status < 400 and answer.body.strip() == ACK

    def _made(self, method: str, url: str, fields: Fields) -> HttpRequest:
        bare, basic = without_userinfo(url)
        why = complaint_of_url(bare, self._account.settings.callback_allow)
        if why is not None:
            raise OurFault(f"the address {why}")
        encoded = urlencode(fields)
        headers = (*basic, *_AGENT)
        if method == "GET":
            joined = "&" if "?" in bare else "?"
            return HttpRequest(
                method="GET", url=f"{bare}{joined}{encoded}", headers=headers
            )
        return HttpRequest(
            method="POST",
            url=bare,
            headers=(*headers, ("Content-Type", FORM)),
            body=encoded.encode("ascii"),
        )

    # -- what is told of a message

    def _call(
        self, event: OutboxEvent, origin: HttpOrigin
    ) -> tuple[str, str, Fields] | None:
        """Return address, method and fields of a call; None: there is none."""
        told = read_status(event.body)
        if _is_of_batch(event, origin):
            return _of_batch(event, origin, told)
        level = origin.asked
        if not origin.url or not level:
            return None
        refused = told.state is MessageState.REJECTED and not told.provider_ids
        if told.state is MessageState.SUBMITTED:
            if level == FINAL_LEVEL:
                return None
            fields = _submitted(event, told, "ESME_ROK")
        elif refused and level != FINAL_LEVEL:
            fields = _submitted(event, told, _status_name(told))
        elif told.state in STATES and level != SUBMITTED_LEVEL:
            fields = self._final(event, origin, told)
        else:
            return None
        return origin.url, origin.method, fields

    def _final(
        self, event: OutboxEvent, origin: HttpOrigin, told: StatusTold
    ) -> Fields:
        word, _ = STATES[told.state]
        if told.error is not None and told.error.code == _UNCERTAIN:
            word = UNKNOWN[0]
        delivered = told.state is MessageState.DELIVERED
        err = "000" if delivered else "001"
        if self._settings.dlr_err == "provider":
            err = error_digits(told)
        submitted = datetime.fromtimestamp(origin.submitted_at, told.at.tzinfo)
        return {
            "id": event.message_id or "",
            "level": str(FINAL_LEVEL),
            "message_status": word,
            "connector": told.channel or "",
            "id_smsc": told.provider_ids[0] if told.provider_ids else "",
            "sub": "001",
            "dlvrd": "001" if delivered else "000",
            "subdate": submitted.strftime(_DATE),
            "donedate": told.at.strftime(_DATE),
            "err": err,
            "text": origin.text,
        }


def _submitted(event: OutboxEvent, told: StatusTold, status: str) -> Fields:
    return {
        "id": event.message_id or "",
        "level": str(SUBMITTED_LEVEL),
        "message_status": status,
        "connector": told.channel or "",
    }


def _status_name(told: StatusTold) -> str:
    """Return the carrier's command_status by its name, where it said one."""
    code = "" if told.error is None else told.error.code
    if code.startswith(_SMPP):
        number = int(code.removeprefix(_SMPP), 16)
        name = name_of(number).partition(":")[0]
        if name.startswith("ESME_"):
            return name
    return "ESME_RSUBMITFAIL"


def _is_of_batch(event: OutboxEvent, origin: HttpOrigin) -> bool:
    """Tell whether an event is the answer to one message of a batch."""
    if "batch" not in origin.fields:
        return False
    state = event.routing_key.split(".", 2)[1]
    if state == MessageState.ACCEPTED:
        return True
    # refused when it came: there was no attempt
    return state == MessageState.REJECTED and read_status(event.body).attempt == 0


def _of_batch(
    event: OutboxEvent, origin: HttpOrigin, told: StatusTold
) -> tuple[str, str, Fields] | None:
    accepted = told.state is MessageState.ACCEPTED
    url = origin.fields.get("callback_url" if accepted else "errback_url")
    if not url:
        return None
    said = f'Success "{event.message_id}"'
    if not accepted:
        said = "" if told.error is None else told.error.text
    return (
        url,
        "GET",
        {
            "batchId": origin.fields["batch"],
            "to": origin.destination,
            "status": "1" if accepted else "0",
            "statusText": said,
        },
    )


def _inbound(told: Arrived) -> Fields:
    """Return what is told of an inbound SMS; `content` are the octets of its coding."""
    if told.text is None:
        coding, octets = 4, told.binary or b""
    elif charsets.fits(told.text, Charset.GSM8):
        coding, octets = 0, charsets.encode(told.text, Charset.GSM8)
    else:
        coding, octets = 8, told.text.encode("utf-16-be", "replace")
    return {
        "id": told.id,
        "from": told.from_,
        "to": told.to or "",
        "origin-connector": told.channel,
        "coding": str(coding),
        "content": octets,
        "binary": octets.hex(),
    }
