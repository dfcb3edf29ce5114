"""The sandbox's Textlocal: sends, questions, and callbacks that prove nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from attrs import frozen

from gdemoi.ini import key, text
from gdemoi.sandbox.clouds_http import (
    FORM,
    CallbackSender,
    CloudReply,
    CloudRequest,
    CloudRoute,
    ProviderApi,
    json_reply,
)
from gdemoi.sandbox.clouds_network import CloudSms, PhoneNetwork

WORDS: Final = {
    "accepted": "P",
    "sent": "P",
    "delivered": "D",
    "undelivered": "U",
}
INBOX: Final = 10
CUT_AFTER: Final = 765


@frozen(kw_only=True, slots=False)
class TextlocalApiSettings:
    """The sandbox's Textlocal account."""

    textlocal_api_key: str = key(text, default="abcdefgh", hidden=True, doc="the key")
    textlocal_incoming: str | None = key(
        text, default=None, doc="where inbound messages are posted, token and all"
    )


class TextlocalApi(ProviderApi):
    """One Textlocal account; `interact`: it was moved, and only sends are left."""

    name = "textlocal"

    def __init__(
        self,
        network: PhoneNetwork,
        callbacks: CallbackSender,
        own: TextlocalApiSettings,
    ) -> None:
        super().__init__(network, callbacks, own)
        self.key = own.textlocal_api_key
        self.interact = False

    def routes(self) -> list[CloudRoute]:
        """Return the addresses, all of them form posts."""
        return [
            CloudRoute("POST", "/send/", self._send, sends=True),
            CloudRoute("POST", "/status_message/", self._asked(self._status)),
            CloudRoute("POST", "/get_inboxes/", self._asked(self._inboxes)),
            CloudRoute("POST", "/get_messages/", self._asked(self._messages)),
            CloudRoute("POST", "/balance/", self._asked(self._balance)),
        ]

    def problem(self, status: int) -> CloudReply:
        """Return Textlocal's failure, which is HTTP 200 but for the gateway's own."""
        if status in (429, 500):
            return CloudReply(status, b"<html>try again</html>", "text/html")
        return _failure(3, "Invalid login details")

    def _asked(self, answer: Any) -> Any:
        def checked(asked: CloudRequest) -> CloudReply:
            form = asked.form()
            if self.interact:
                return _failure(2, "Unknown command")
            if form.get("apikey") != self.key:
                return self.problem(401)
            body: CloudReply = answer(form)
            return body

        return checked

    def _send(self, asked: CloudRequest) -> CloudReply:
        form = asked.form()
        if form.get("apikey") != self.key:
            return self.problem(401)
        if not form.get("numbers", "").isdigit():
            return _failure(51, "No valid numbers specified", "Invalid number")
        number = self.number()
        sms = CloudSms(
            id=str(1151895224 + number),
            to=form["numbers"],
            from_=form.get("sender") or "TXTLCL",
            # what a careless gateway would lose
            text=form.get("message", "")[:CUT_AFTER].replace("%n", "\n"),
            at=self.now,
            number=number,
            reference=form.get("custom", ""),
            callback=form.get("receipt_url"),
        )
        self.take(sms)
        return json_reply(
            200,
            {
                "balance": round(self.balance, 2) if self.interact else 1162 - number,
                "batch_id": 136546495 + number,
                "cost": 0.04 if self.interact else sms.parts,
                "num_messages": 1,
                "message": {
                    "num_parts": sms.parts,
                    "sender": sms.from_,
                    "content": sms.text,
                },
                "receipt_url": sms.callback or "",
                "custom": sms.reference,
                "messages": [{"id": sms.id, "recipient": int(sms.to)}],
                "status": "success",
            },
        )

    def _status(self, form: dict[str, str]) -> CloudReply:
        sms = self.books.get(form.get("message_id", ""))
        if sms is None:
            return _failure(8, "Invalid message ID")
        message = {
            "id": int(sms.id),
            "recipient": int(sms.to),
            "type": "sms",
            "status": WORDS[sms.state],
            "date": _date(sms.at),
        }
        return json_reply(200, {"message": message, "status": "success"})

    def _inboxes(self, form: dict[str, str]) -> CloudReply:
        inbox = {"id": INBOX, "number": 60777, "keyword": "NH3BR"}
        inbox["num_messages"] = len(self.received)
        body = {"num_inboxes": 1, "inboxes": [inbox]}
        return json_reply(200, {**body, "status": "success"})

    def _messages(self, form: dict[str, str]) -> CloudReply:
        since = float(form.get("min_time", 0))
        start, limit = int(form.get("start", 0)), int(form.get("limit", 100))
        found = [sms for sms in self.received if sms.at >= since]
        rows = [
            {
                "id": str(sms.number),
                "number": int(sms.from_),
                "message": sms.text,
                "date": _date(sms.at),
                "isNew": True,
                "status": "?",
            }
            for sms in found[start : start + limit]
        ]
        body = {"inbox_id": form.get("inbox_id"), "num_messages": len(found)}
        return json_reply(200, {**body, "messages": rows, "status": "success"})

    def _balance(self, form: dict[str, str]) -> CloudReply:
        return json_reply(
            200, {"balance": {"sms": 1162, "mms": 4}, "status": "success"}
        )

    def tell(self, sms: CloudSms) -> None:
        """Bring a receipt: number, status and our reference, unsigned."""
        fields = {
            "number": sms.to,
            "status": WORDS[sms.state],
            "customID": sms.reference,
            "datetime": _date(self.now),
        }
        self._post(sms.callback, fields)

    def receive(self, sms: CloudSms) -> None:
        """Bring what a phone sent: no id, no time, unsigned."""
        fields = {
            "sender": sms.from_,
            "inNumber": "60777",
            "content": sms.text,
            "keyword": "",
            "comments": sms.text,
            "email": "",
            "credits": "1160",
        }
        self._post(self.incoming, fields)

    def _post(self, url: str | None, fields: dict[str, str]) -> None:
        body = urlencode(fields).encode("ascii")
        self.callbacks.bring(url, body, {"Content-Type": FORM})


def _failure(code: int, text: str, warning: str | None = None) -> CloudReply:
    body: dict[str, Any] = {"errors": [{"code": code, "message": text}]}
    if warning is not None:
        body["warnings"] = [{"code": 3, "message": warning}]
    return json_reply(200, {**body, "status": "failure"})


def _date(at: float) -> str:
    here = datetime.fromtimestamp(at, ZoneInfo("Europe/London"))
    return here.strftime("%Y-%m-%d %H:%M:%S")
