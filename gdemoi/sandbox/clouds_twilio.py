"""The sandbox's Twilio: messages, lists with pages, balance, signed callbacks."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import urlencode

from attrs import frozen

from gdemoi.cloud.exchange import basic
from gdemoi.cloud.twilio.signature import signature
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

WORDS: Final = {"accepted": "queued", "undelivered": "undelivered"}
PAGE: Final = 50


@frozen(kw_only=True, slots=False)
class TwilioApiSettings:
    """The sandbox's Twilio account."""

    twilio_account_sid: str = key(
        text, default="AC" + "0123456789abcdef" * 2, doc="the account"
    )
    twilio_auth_token: str = key(text, default="tok", hidden=True, doc="its token")
    twilio_incoming: str | None = key(
        text, default=None, doc="where inbound messages are posted"
    )


class TwilioApi(ProviderApi):
    """One Twilio account."""

    name = "twilio"

    def __init__(
        self, network: PhoneNetwork, callbacks: CallbackSender, own: TwilioApiSettings
    ) -> None:
        super().__init__(network, callbacks, own)
        self.sid = own.twilio_account_sid
        self.token = own.twilio_auth_token

    def routes(self) -> list[CloudRoute]:
        """Return Messages and Balance of API 2010-04-01."""
        account = f"/2010-04-01/Accounts/{self.sid}"
        return [
            CloudRoute("POST", f"{account}/Messages\\.json", self._send, sends=True),
            CloudRoute("GET", f"{account}/Messages\\.json", self._list),
            CloudRoute("GET", f"{account}/Messages/(\\w+)\\.json", self._one),
            CloudRoute("GET", f"{account}/Balance\\.json", self._balance),
        ]

    def problem(self, status: int) -> CloudReply:
        """Return Twilio's error body."""
        code = {429: 20429, 401: 20003, 404: 20404, 500: 20500}.get(status, 21602)
        body = {"code": code, "message": "sandbox error", "status": status}
        return json_reply(status, {**body, "more_info": f"https://example.org/{code}"})

    def _send(self, asked: CloudRequest) -> CloudReply:
        if not self._knows(asked):
            return self.problem(401)
        form = asked.form()
        if not form.get("To", "").startswith("+"):
            body = {"code": 21211, "message": "Invalid 'To' Phone Number"}
            return json_reply(400, {**body, "status": 400})
        number = self.number()
        sms = CloudSms(
            id=f"SM{number:032x}",
            to=form["To"],
            from_=form.get("From") or "+15005550006",
            text=form.get("Body", ""),
            at=self.now,
            number=number,
            callback=form.get("StatusCallback"),
        )
        self.take(sms)
        return json_reply(201, self._resource(sms, "queued"))

    def _one(self, asked: CloudRequest, sid: str) -> CloudReply:
        if not self._knows(asked):
            return self.problem(401)
        sms = self.books.get(sid)
        return (
            self.problem(404) if sms is None else json_reply(200, self._resource(sms))
        )

    def _list(self, asked: CloudRequest) -> CloudReply:
        if not self._knows(asked):
            return self.problem(401)
        size = int(asked.query.get("PageSize", PAGE))
        page = int(asked.query.get("Page", 0))
        since = asked.query.get("DateSent>")
        found = [
            sms
            for sms in sorted(
                [*self.books.values(), *self.received], key=lambda s: -s.number
            )
            if asked.query.get("To") in (None, sms.to)
            and (since is None or sms.at >= datetime.fromisoformat(since).timestamp())
        ]
        rows = found[page * size : (page + 1) * size]
        following = None
        if len(found) > (page + 1) * size:
            query = urlencode({**asked.query, "Page": str(page + 1)})
            following = f"{asked.path}?{query}"
        return json_reply(
            200,
            {
                "messages": [self._resource(sms) for sms in rows],
                "next_page_uri": following,
                "page": page,
                "page_size": size,
            },
        )

    def _balance(self, asked: CloudRequest) -> CloudReply:
        if not self._knows(asked):
            return self.problem(401)
        body = {"account_sid": self.sid, "balance": f"{self.balance:.2f}"}
        return json_reply(200, {**body, "currency": "USD"})

    def _knows(self, asked: CloudRequest) -> bool:
        return asked.headers.get("authorization") == basic(self.sid, self.token)[1]

    def _resource(self, sms: CloudSms, status: str | None = None) -> dict[str, Any]:
        if sms.inbound and not sms.id:
            sms.id = f"SM{sms.number:032x}"
        sent = format_datetime(datetime.fromtimestamp(sms.at, UTC))
        failed = sms.state == "undelivered"
        return {
            "sid": sms.id,
            "account_sid": self.sid,
            "status": status or WORDS.get(sms.state, sms.state),
            "direction": "inbound" if sms.inbound else "outbound-api",
            "to": sms.to,
            "from": sms.from_,
            "body": sms.text,
            "num_segments": str(sms.parts),
            "num_media": "0",
            "price": None,
            "price_unit": "USD",
            "error_code": 30003 if failed else None,
            "error_message": "Unreachable destination handset" if failed else None,
            "date_created": sent,
            "date_sent": sent,
            "date_updated": sent,
            "messaging_service_sid": None,
            "api_version": "2010-04-01",
            "uri": f"/2010-04-01/Accounts/{self.sid}/Messages/{sms.id}.json",
        }

    def tell(self, sms: CloudSms) -> None:
        """Bring a signed status callback; the first status has none."""
        word = WORDS.get(sms.state, sms.state)
        pairs = [
            ("MessageSid", sms.id),
            ("SmsSid", sms.id),
            ("MessageStatus", word),
            ("SmsStatus", word),
            ("To", sms.to),
            ("From", sms.from_),
            ("AccountSid", self.sid),
            ("ApiVersion", "2010-04-01"),
        ]
        if word == "undelivered":
            pairs.append(("ErrorCode", "30003"))
        self._post(sms.callback, pairs)

    def receive(self, sms: CloudSms) -> None:
        """Bring what a phone sent, signed."""
        sms.id = f"SM{sms.number:032x}"
        pairs = [
            ("MessageSid", sms.id),
            ("SmsSid", sms.id),
            ("AccountSid", self.sid),
            ("From", sms.from_),
            ("To", sms.to),
            ("Body", sms.text),
            ("NumMedia", "0"),
            ("NumSegments", str(sms.parts)),
            ("FromCountry", "RU"),
            ("ToCity", ""),
        ]
        self._post(self.incoming, pairs)

    def _post(self, url: str | None, pairs: list[tuple[str, str]]) -> None:
        if url is None:
            return
        signed = signature(self.token, url.partition("#")[0], pairs)
        headers = {"Content-Type": FORM, "X-Twilio-Signature": signed}
        self.callbacks.bring(url, urlencode(pairs).encode("ascii"), headers)
