"""The sandbox's Tyntec: sends, the status of one message, unsigned callbacks."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from attrs import frozen

from gdemoi.ini import key, text
from gdemoi.sandbox.clouds_http import (
    JSON,
    CallbackSender,
    CloudReply,
    CloudRequest,
    CloudRoute,
    ProviderApi,
    json_reply,
)
from gdemoi.sandbox.clouds_network import CloudSms, PhoneNetwork

WORDS: Final = {
    "accepted": "ACCEPTED",
    "sent": "BUFFERED",
    "delivered": "DELIVERED",
    "undelivered": "UNDELIVERABLE",
}


@frozen(kw_only=True, slots=False)
class TyntecApiSettings:
    """The sandbox's Tyntec key."""

    tyntec_api_key: str = key(text, default="k", hidden=True, doc="the key")
    tyntec_incoming: str | None = key(
        text, default=None, doc="where inbound messages are posted, token and all"
    )


class TyntecApi(ProviderApi):
    """One Tyntec key."""

    name = "tyntec"

    def __init__(
        self, network: PhoneNetwork, callbacks: CallbackSender, own: TyntecApiSettings
    ) -> None:
        super().__init__(network, callbacks, own)
        self.key = own.tyntec_api_key

    def routes(self) -> list[CloudRoute]:
        """Return the SMS API v1."""
        return [
            CloudRoute("POST", "/messaging/v1/sms", self._send, sends=True),
            CloudRoute("GET", "/messaging/v1/messages/([\\w-]+)", self._one),
        ]

    def problem(self, status: int) -> CloudReply:
        """Return an RFC 7807 problem."""
        body = {"type": "about:blank", "title": "sandbox error", "status": status}
        return json_reply(status, {**body, "detail": "sandbox"})

    def _send(self, asked: CloudRequest) -> CloudReply:
        if asked.headers.get("apikey") != self.key:
            return self.problem(401)
        body = asked.json()
        if not str(body.get("to", "")).startswith("+"):
            return self.problem(400)
        text = str(body.get("message", ""))
        number = self.number()
        sms = CloudSms(
            id=str(uuid4()),
            to=body["to"],
            from_=str(body.get("from", "")),
            # what a careless gateway would send
            text=text.upper() if body.get("upperCased", True) else text,
            at=self.now,
            number=number,
            reference=str(body.get("reference", "")),
            callback=body.get("callbackUrl"),
        )
        self.take(sms)
        return json_reply(200, self._message(sms))

    def _one(self, asked: CloudRequest, request_id: str) -> CloudReply:
        if asked.headers.get("apikey") != self.key:
            return self.problem(401)
        sms = self.books.get(request_id)
        return self.problem(404) if sms is None else json_reply(200, self._message(sms))

    def _message(self, sms: CloudSms) -> dict[str, Any]:
        state = WORDS[sms.state]
        part: dict[str, Any] = {"deliveryState": state, "price": "0.05"}
        if state == "UNDELIVERABLE":
            part["errorCode"] = "0006"
        return {
            "requestId": sms.id,
            "status": state,
            "from": sms.from_,
            "to": sms.to,
            "reference": sms.reference,
            "size": sms.parts,
            "overallPrice": f"{0.05 * sms.parts:.2f}",
            "submitDate": _iso(sms.at),
            "href": f"/messaging/v1/messages/{sms.id}",
            "parts": [{**part, "partId": str(n + 1)} for n in range(sms.parts)],
        }

    def tell(self, sms: CloudSms) -> None:
        """Bring a receipt: the message as a question would show it."""
        self._post(sms.callback, self._message(sms))

    def receive(self, sms: CloudSms) -> None:
        """Bring what a phone sent."""
        sms.id = str(uuid4())
        body = {
            "from": sms.from_,
            "to": sms.to,
            "message": sms.text,
            "originMCC": "250",
            "originMNC": "01",
            "requestId": sms.id,
            "size": sms.parts,
            "missingParts": False,
            "contentList": [
                {
                    "msgId": f"{sms.id}-{n}",
                    "sentDate": _iso(sms.at),
                    "sequenceNumber": n + 1,
                }
                for n in range(sms.parts)
            ],
        }
        self._post(self.incoming, body)

    def _post(self, url: str | None, fields: dict[str, Any]) -> None:
        body = json.dumps(fields, ensure_ascii=False).encode("utf-8")
        self.callbacks.bring(url, body, {"Content-Type": JSON})


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
