"""The Vonage Messages API v1 (channel sms) as values.

It obeys the Messages API reference: JSON out, RFC 7807 problems back, one id for
all segments, inbound messages already joined, webhooks signed with a JWT.  A rare
fault at Vonage sends a webhook without a token: 503 makes it come again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from gdemoi.cloud.exchange import (
    HttpAnswer,
    HttpRequest,
    SignatureProof,
    Webhook,
    WebhookContent,
    WebhookDenied,
    WebhookKind,
    WebhookReply,
    json_request,
    retry_after_s,
)
from gdemoi.cloud.provider import (
    Capabilities,
    CloudMessage,
    ErrorClass,
    ValidityLimits,
    contradiction,
    error_class_of_problem,
    outcome_of_error_class,
)
from gdemoi.cloud.reading import (
    JSON,
    count_of,
    iso_time,
    mapping_of,
    objects_in,
    read_repaired,
    text_of,
    with_octets,
    without_plus,
    word_of,
)
from gdemoi.cloud.vonage.account import (
    MAX_CALLBACK,
    REPORT_WINDOW_S,
    STATUSES,
    VonageAccount,
)
from gdemoi.cloud.vonage.signature import (
    ApplicationTokens,
    webhook_claims,
)
from gdemoi.errors import TheirFault
from gdemoi.message import (
    Accepted,
    Inbound,
    MessageState,
    Outcome,
    Receipt,
    Uncertain,
)

# The specification says 1000, the SDK 3200: the smaller one is safe.
MAX_CHARACTERS: Final = 1000
TTL_PASSED: Final = "1360"
# the end of a problem's `type`: "illegal sender address"
BAD_SENDER: Final = "#1120"


@frozen
class VonageMessages(VonageAccount):
    """One account of one channel, through the Messages API."""

    tokens: ApplicationTokens | None = None

    product = "MESSAGES"
    capabilities = Capabilities(
        gsm_units=MAX_CHARACTERS,
        ucs2_units=MAX_CHARACTERS,
        validity=ValidityLimits("seconds", 20, 604800),
        inbound_window_s=REPORT_WINDOW_S,
        callback_length=MAX_CALLBACK,
    )

    def request_for(self, draft: CloudMessage, now: float) -> HttpRequest:
        """Return the POST to /v1/messages."""
        message = draft.message
        left_s = message.expires_at - now
        payload: dict[str, Any] = {
            "message_type": "text",
            "channel": "sms",
            "to": without_plus(message.to),
            "from": without_plus(draft.sender or ""),
            "text": draft.text or "",
            "client_ref": message.id,
            "ttl": int(self.capabilities.validity.spelled(left_s, now)),
            "sms": {"encoding_type": "unicode" if draft.unicode else "text"},
        }
        if draft.callback is not None:
            payload["webhook_url"] = draft.callback
        header, secrets = self.credentials, self.secrets
        if self.tokens is not None:
            token = self.tokens.token(now)
            header = ("Authorization", f"Bearer {token}")
            secrets = (token, *secrets)
        return json_request(f"{self.base}/v1/messages", payload, [header], secrets)

    def outcome_of(self, answer: HttpAnswer, now: float) -> Outcome:
        """Return what the answer to the POST means."""
        fields = answer.fields()
        uuid = word_of(fields.get("message_uuid"))
        if 200 <= answer.status < 300:
            if not uuid:
                return Uncertain(why=f"vonage: {answer.status} without a message_uuid")
            problem = _problem_text(fields)
            if problem:
                return contradiction("vonage", f"a message_uuid and {problem}", (uuid,))
            return Accepted(provider_ids=(uuid,), segments=0)
        if uuid:
            why = f"HTTP {answer.status} and a message_uuid"
            return contradiction("vonage", why, (uuid,))
        text = _problem_text(fields) or f"HTTP {answer.status}"
        error_class = error_class_of_problem(answer.status, text)
        if error_class is ErrorClass.REJECT and _is_about_sender(fields):
            error_class = ErrorClass.SENDER
        return outcome_of_error_class(
            error_class,
            f"vonage:http{answer.status}",
            text,
            retry_after_s(answer, now),
        )

    def takes(self, kind: WebhookKind) -> Mapping[str, Sequence[str]]:
        """Return the one shape there is: JSON POST."""
        return {"POST": (JSON,)}

    def events_of(self, webhook: Webhook, now: float) -> WebhookContent | WebhookDenied:
        """Check the token, which binds the body, then read the JSON."""
        proof = self._checked(webhook, now)
        if isinstance(proof, WebhookDenied):
            return proof
        return proof.of(self._content(webhook, now), self.settings.remembered_s)

    def _content(self, webhook: Webhook, now: float) -> WebhookContent:
        read, raw_octets = read_repaired(webhook.body)
        fields = mapping_of(read)
        uuid = text_of(fields.get("message_uuid"))
        if not uuid:
            return WebhookContent(ignored="no message_uuid")
        reply = WebhookReply(200)
        if webhook.kind is WebhookKind.INCOMING:
            inbound = with_octets(self._inbound(uuid, fields, now), raw_octets)
            return WebhookContent(inbounds=(inbound,), reply=reply)
        receipt = self._receipt(uuid, fields)
        known = (text_of(fields.get("status")) or "").lower() in STATUSES
        return WebhookContent(
            receipts=(receipt,),
            reply=reply,
            ignored=None if known else "unknown status word",
        )

    def _checked(self, webhook: Webhook, now: float) -> SignatureProof | WebhookDenied:
        """Return what the token proves, nothing where there is no secret."""
        secret = self.settings.signature_secret
        if secret is None:
            return SignatureProof()
        if all(name != "authorization" for name, _ in webhook.headers):
            return WebhookDenied(503, "no token")
        try:
            claims = webhook_claims(
                webhook.header("authorization") or "",
                webhook.body,
                secret,
                now,
                self.settings.webhook_age_s,
            )
        except TheirFault as why:
            return WebhookDenied(401, f"token: {why}")
        if claims.get("api_key") != self.settings.api_key:
            return WebhookDenied(401, "a token of another account")
        mark = f"jti:{claims.get('jti')}:{claims.get('payload_hash')}"
        return SignatureProof(claims["iat"], mark)

    def _receipt(self, uuid: str, fields: Mapping[str, Any]) -> Receipt:
        error = fields.get("error")
        problem = error if isinstance(error, dict) else {}
        code = text_of(problem.get("title"))
        word = text_of(fields.get("status")) or ""
        if code == TTL_PASSED and STATUSES.get(word.lower()) is MessageState.REJECTED:
            word = "expired"
        return self.receipt(
            uuid,
            word,
            code,
            about=text_of(fields.get("to")),
            reference=text_of(fields.get("client_ref")) or None,
            at=iso_time(fields.get("timestamp")),
            raw=f"status={text_of(fields.get('status'))}"
            + (f" error={code} {text_of(problem.get('detail'))}" if code else ""),
            verified=self.settings.signature_secret is not None,
        )

    def _inbound(self, uuid: str, fields: Mapping[str, Any], now: float) -> Inbound:
        sms = fields.get("sms")
        parts = sms.get("num_messages") if isinstance(sms, dict) else None
        to = text_of(fields.get("to"))
        return self.new_inbound(
            uuid,
            text_of(fields.get("from")) or "",
            to,
            text_of(fields.get("text")) or "",
            received_at=now,
            sent_at=iso_time(fields.get("timestamp")),
            segments=count_of(parts) or 1,
            dedup_window_s=self.remembered_s,
        )


def _is_about_sender(fields: Mapping[str, Any]) -> bool:
    if (text_of(fields.get("type")) or "").endswith(BAD_SENDER):
        return True
    return _invalid(fields) == ["from"]


def _invalid(fields: Mapping[str, Any]) -> list[str]:
    """Return the names of the parameters that an RFC 7807 problem is about."""
    found = fields.get("invalid_parameters")
    names = [text_of(one.get("name")) for one in objects_in(found)]
    return [name for name in names if name]


def _problem_text(fields: Mapping[str, Any]) -> str:
    """Return an RFC 7807 problem as one line, with the names of bad parameters."""
    words = [text_of(fields.get(name)) for name in ("title", "detail")]
    invalid = _invalid(fields)
    if invalid:
        words.append("invalid: " + ", ".join(invalid))
    return "; ".join(word for word in words if word)
