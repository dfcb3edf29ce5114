"""The sandbox's Vonage: SMS API, Messages API, Reports and balance, signed."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID, uuid4

import jwt
from attrs import frozen

from gdemoi.cloud.exchange import basic
from gdemoi.cloud.vonage.signature import sms_signature
from gdemoi.ini import key, text
from gdemoi.message import Charset
from gdemoi.sandbox.clouds_http import (
    FORM,
    JSON,
    CallbackSender,
    CloudReply,
    CloudRequest,
    CloudRoute,
    ProviderApi,
    json_reply,
)
from gdemoi.sandbox.clouds_network import CloudSms, PhoneNetwork
from gdemoi.text import gsm7
from gdemoi.text.segments import TooLong, split

SMS_WORDS: Final = {"sent": "buffered", "undelivered": "failed"}
MESSAGE_WORDS: Final = {"sent": "submitted", "undelivered": "undeliverable"}
NETWORK: Final = "25001"


@frozen(kw_only=True, slots=False)
class VonageApiSettings:
    """The sandbox's Vonage account."""

    vonage_api_key: str = key(text, default="abcd1234", doc="the account")
    vonage_api_secret: str = key(
        text, default="s3cr3tXY", hidden=True, doc="its secret"
    )
    vonage_signature_secret: str = key(
        text,
        default="abcdefghijklmnopqrstuvwxyz012345",
        hidden=True,
        doc="signs both APIs' callbacks",
    )
    vonage_incoming: str | None = key(
        text, default=None, doc="where the SMS API posts inbound messages"
    )
    vonage_messages_incoming: str | None = key(
        text, default=None, doc="where the Messages API posts inbound messages"
    )


class VonageApi(ProviderApi):
    """One Vonage account, both APIs; phones answer where they were written from."""

    name = "vonage"

    def __init__(
        self, network: PhoneNetwork, callbacks: CallbackSender, own: VonageApiSettings
    ) -> None:
        super().__init__(network, callbacks, own)
        self.messages_incoming = own.vonage_messages_incoming
        self.key = own.vonage_api_key
        self.secret = own.vonage_api_secret
        self.signature_secret = own.vonage_signature_secret

    def routes(self) -> list[CloudRoute]:
        """Return both APIs, balance and Reports."""
        return [
            CloudRoute("POST", "/sms/json", self._send_sms, sends=True),
            CloudRoute("POST", "/v1/messages", self._send_message, sends=True),
            CloudRoute("GET", "/account/get-balance", self._balance),
            CloudRoute("GET", "/v2/reports/records", self._records),
        ]

    def _knows(self, asked: CloudRequest) -> bool:
        given = asked.headers.get("authorization", "")
        return given == basic(self.key, self.secret)[1] or given.startswith("Bearer ")

    # -- SMS API ------------------------------------------------------------

    def _send_sms(self, asked: CloudRequest) -> CloudReply:
        if not self._knows(asked):
            return _entries([{"status": "4", "error-text": "Invalid Credentials"}])
        form = asked.form()
        text = form.get("text", "")
        entries: list[dict[str, str]] = []
        for part in parts_of(text):
            if self.partial and entries:
                entries.append({"status": "5", "error-text": "Internal Error"})
                continue
            sms = self._enter(form["to"], form.get("from", ""), part)
            sms.reference = form.get("client-ref", "")
            sms.callback = form.get("callback")
            self.take(sms)
            entries.append(self._entry(sms))
        self.partial = False
        return _entries(entries)

    def _entry(self, sms: CloudSms) -> dict[str, str]:
        return {
            "to": sms.to,
            "message-id": sms.id,
            "status": "0",
            "remaining-balance": f"{self.balance:.8f}",
            "message-price": "0.03330000",
            "network": NETWORK,
            "client-ref": sms.reference,
        }

    def _enter(self, to: str, from_: str, text: str) -> CloudSms:
        number = self.number()
        return CloudSms(
            id=f"{number:016X}",
            to=to,
            from_=from_,
            text=text,
            at=self.now,
            number=number,
        )

    # -- Messages API -------------------------------------------------------

    def _send_message(self, asked: CloudRequest) -> CloudReply:
        if not self._knows(asked):
            return self.problem(401)
        body = asked.json()
        if not str(body.get("to", "")).isdigit():
            problem = {"type": "about:blank", "title": "Invalid params"}
            names = [{"name": "to", "reason": "invalid"}]
            detail = {"detail": "invalid to", "instance": "sandbox"}
            return json_reply(422, {**problem, **detail, "invalid_parameters": names})
        sms = self._enter(body["to"], body.get("from", ""), body.get("text", ""))
        sms.id = str(UUID(int=uuid4().int))
        sms.reference = body.get("client_ref", "")
        sms.callback = body.get("webhook_url")
        self.take(sms)
        return json_reply(202, {"message_uuid": sms.id})

    # -- balance and Reports ------------------------------------------------

    def _balance(self, asked: CloudRequest) -> CloudReply:
        if not self._knows(asked):
            return self.problem(401)
        return json_reply(200, {"value": round(self.balance, 2), "autoReload": False})

    def _records(self, asked: CloudRequest) -> CloudReply:
        if not self._knows(asked):
            return self.problem(401)
        query = asked.query
        if query.get("direction") == "inbound":
            found = [self._record(sms) for sms in self.received if _within(sms, query)]
            return json_reply(200, {"records": found, "items_count": len(found)})
        if "client_ref" in query:
            rows = [
                s for s in self.books.values() if s.reference == query["client_ref"]
            ]
            return json_reply(200, {"records": [self._record(sms) for sms in rows]})
        asked_for = query.get("id", "").split(",")
        rows = [self.books[known] for known in asked_for if known in self.books]
        missing = [known for known in asked_for if known not in self.books]
        body: dict[str, Any] = {"records": [self._record(sms) for sms in rows]}
        return json_reply(200, {**body, "ids_not_found": ",".join(missing)})

    def _record(self, sms: CloudSms) -> dict[str, Any]:
        done = None if sms.done_at is None else _iso(sms.done_at)
        return {
            "account_id": self.key,
            "message_id": sms.id,
            "client_ref": sms.reference,
            "direction": "inbound" if sms.inbound else "outbound",
            "from": sms.from_,
            "to": sms.to,
            "status": SMS_WORDS.get(sms.state, sms.state),
            "error_code": "8" if sms.state == "undelivered" else "0",
            "date_received": _iso(sms.at),
            "date_finalized": done,
            "message_body": sms.text if sms.inbound else None,
        }

    # -- callbacks ----------------------------------------------------------

    def tell(self, sms: CloudSms) -> None:
        """Bring a receipt in the shape of the API that took the message."""
        if is_message(sms.id):
            self._tell_message(sms)
            return
        fields = {
            "msisdn": sms.to,
            "to": sms.from_,
            "network-code": NETWORK,
            "messageId": sms.id,
            "price": "0.03330000",
            "status": SMS_WORDS.get(sms.state, sms.state),
            "scts": datetime.fromtimestamp(self.now, UTC).strftime("%y%m%d%H%M"),
            "err-code": "8" if sms.state == "undelivered" else "0",
            "client-ref": sms.reference,
        }
        self._post_signed(sms.callback, fields)

    def _tell_message(self, sms: CloudSms) -> None:
        body = {
            "message_uuid": sms.id,
            "channel": "sms",
            "to": sms.to,
            "from": sms.from_,
            "timestamp": _iso(self.now),
            "status": MESSAGE_WORDS.get(sms.state, sms.state),
            "client_ref": sms.reference,
            "usage": {"currency": "EUR", "price": "0.0333"},
            "destination": {"network_code": NETWORK},
            "sms": {"count_total": str(sms.parts)},
        }
        self._post_token(sms.callback, body)

    def receive(self, sms: CloudSms) -> None:
        """Bring what a phone sent, part by part or whole, as the API does it."""
        if is_message(sms.answers):
            sms.id = str(uuid4())
            body = {
                "channel": "sms",
                "message_uuid": sms.id,
                "to": sms.to,
                "from": sms.from_,
                "timestamp": _iso(self.now),
                "text": sms.text,
                "sms": {"num_messages": str(sms.parts), "keyword": ""},
            }
            self._post_token(self.messages_incoming, body)
            return
        parts = parts_of(sms.text)
        sms.id = f"{sms.number:016X}"
        # the last part comes first: nobody promises an order
        for index in reversed(range(len(parts))):
            fields = {
                "msisdn": sms.from_,
                "to": sms.to,
                "messageId": f"{sms.number:014X}{index:02X}",
                "text": parts[index],
                "type": "text" if gsm7.fits(sms.text) else "unicode",
                "keyword": parts[index][:10].upper(),
            }
            if len(parts) > 1:
                fields["concat"] = "true"
                fields["concat-ref"] = str(sms.number % 256)
                fields["concat-total"] = str(len(parts))
                fields["concat-part"] = str(index + 1)
            self._post_signed(self.incoming, fields)

    def _post_signed(self, url: str | None, fields: dict[str, str]) -> None:
        now = datetime.fromtimestamp(self.now, UTC)
        signed = {
            **fields,
            "api-key": self.key,
            "message-timestamp": now.strftime("%Y-%m-%d %H:%M:%S"),
            "timestamp": str(int(self.now)),
            "nonce": str(uuid4()),
        }
        mac = sms_signature(signed, self.signature_secret, "md5hash")
        body = urlencode({**signed, "sig": mac}).encode("ascii")
        self.callbacks.bring(url, body, {"Content-Type": FORM})

    def _post_token(self, url: str | None, fields: dict[str, Any]) -> None:
        body = json.dumps(fields, ensure_ascii=False).encode("utf-8")
        claims = {
            "iat": int(self.now),
            "jti": str(uuid4()),
            "iss": "Vonage",
            "payload_hash": hashlib.sha256(body).hexdigest(),
            "api_key": self.key,
        }
        token = jwt.encode(claims, self.signature_secret, algorithm="HS256")
        headers = {"Content-Type": JSON, "Authorization": f"Bearer {token}"}
        self.callbacks.bring(url, body, headers)


def is_message(name: str) -> bool:
    """Tell whether an id is a UUID of the Messages API."""
    return "-" in name


def parts_of(text: str) -> list[str]:
    """Return the texts of the segments."""
    segments = split(text, Charset.GSM8 if gsm7.fits(text) else Charset.UCS2)
    if isinstance(segments, TooLong):
        return [text]
    return [segment.text or "" for segment in segments]


def _entries(entries: list[dict[str, str]]) -> CloudReply:
    return json_reply(200, {"message-count": str(len(entries)), "messages": entries})


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _within(sms: CloudSms, query: dict[str, str]) -> bool:
    start, end = (
        datetime.fromisoformat(query[name]).timestamp()
        for name in ("date_start", "date_end")
    )
    return start <= sms.at <= end
