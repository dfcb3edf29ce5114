"""The Vonage SMS API, which Nexmo's customers know, as values.

It obeys the SMS API reference (1.5): one recipient per request, HTTP 200 even for
errors, one entry and one receipt per segment, segments of a long inbound SMS one by
one.  `type` is chosen by us: with `text`, what is not GSM would arrive as ``?``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from gdemoi.cloud.exchange import (
    HttpAnswer,
    HttpRequest,
    SignatureProof,
    Webhook,
    WebhookContent,
    WebhookDenied,
    WebhookKind,
)
from gdemoi.cloud.freshness import stale
from gdemoi.cloud.provider import (
    Capabilities,
    CloudMessage,
    ErrorClass,
    ValidityLimits,
    contradiction,
    outcome_of_error_class,
)
from gdemoi.cloud.reading import (
    FORM,
    JSON,
    count_of,
    iso_time,
    mapping_of,
    mappings_of,
    price_sum,
    read_json,
    text_of,
    without_plus,
)
from gdemoi.cloud.vonage.account import (
    MAX_CALLBACK,
    REPORT_WINDOW_S,
    REST,
    STATUSES,
    VonageAccount,
)
from gdemoi.cloud.vonage.signature import is_signed, unix_time
from gdemoi.errors import TheirFault
from gdemoi.message import (
    Accepted,
    Error,
    Inbound,
    InboundSegment,
    Outcome,
    Progress,
    Uncertain,
)
from gdemoi.text import udh as headers

MAX_OCTETS: Final = 140  # body and udh of a binary message
THROTTLE_PAUSE_S: Final = 1.0
WAIT_HINT: Final = re.compile(r"\[\s*(\d{1,7})\s*\]")  # "please wait [ 250 ] and retry"

_R, _U, _J, _H = (
    ErrorClass.RETRY,
    ErrorClass.UNCERTAIN,
    ErrorClass.REJECT,
    ErrorClass.HALT,
)
ERRORS: Final[dict[str, ErrorClass]] = {
    **dict.fromkeys(("1", "10"), _R),
    "5": _U,
    **dict.fromkeys(("2", "3", "6", "7", "12", "22", "29", "33"), _J),
    # not a sender of this account, or none that the recipient's network takes
    "15": ErrorClass.SENDER,
    **dict.fromkeys(("4", "8", "9", "11", "14", "23", "32"), _H),
}


class VonageSms(VonageAccount):
    """One account of one channel, through the SMS API."""

    errors = ERRORS
    capabilities = Capabilities(
        gsm_units=3200,
        ucs2_units=3200,
        validity=ValidityLimits("milliseconds", 20, 604800),
        binary=True,
        flash=True,
        inbound_window_s=REPORT_WINDOW_S,
        callback_length=MAX_CALLBACK,
    )

    def refusal(self, draft: CloudMessage) -> Error | None:
        """Refuse what the API cannot carry."""
        message = draft.message
        octets = len(message.binary or b"") + len(message.udh or b"")
        if message.binary is not None and octets > MAX_OCTETS:
            return Error("gateway:too_long", f"{octets} octets of {MAX_OCTETS}")
        return super().refusal(draft)

    def request_for(self, draft: CloudMessage, now: float) -> HttpRequest:
        """Return the POST to /sms/json."""
        message = draft.message
        fields = [
            ("to", without_plus(message.to)),
            ("from", without_plus(draft.sender or "")),
        ]
        if message.binary is not None:
            fields += [("type", "binary"), ("body", message.binary.hex())]
            if message.udh is not None:
                fields.append(("udh", message.udh.hex()))
        else:
            kind = "unicode" if draft.unicode else "text"
            fields += [("text", draft.text or ""), ("type", kind)]
        left_s = message.expires_at - now
        fields.append(("ttl", self.capabilities.validity.spelled(left_s, now)))
        fields.append(("client-ref", message.id))
        if message.flash:
            fields.append(("message-class", "0"))
        if draft.callback is not None:
            fields.append(("callback", draft.callback))
        return self.post_form(f"{self.settings.base_url or REST}/sms/json", fields)

    def outcome_of(self, answer: HttpAnswer, now: float) -> Outcome:
        """Return what the entries mean: all taken, none taken, or who knows."""
        entries = _entries(answer)
        if answer.status != 200:
            ids = _ids_in(entries)
            if ids:
                why = f"HTTP {answer.status} and a message-id"
                return contradiction("vonage", why, ids)
            return self.refused(answer, now)
        if not entries:
            return Uncertain(why="vonage: an answer that says nothing readable")
        return self._outcome_of(entries)

    def _outcome_of(self, entries: Sequence[Mapping[str, Any]]) -> Outcome:
        """Return what the entries say, one for each segment."""
        ids = _ids_in(entries)
        disputed = next((why for one in entries if (why := _dispute(one))), None)
        if disputed is not None:
            return contradiction("vonage", disputed, ids)
        if all(_is_taken(one) for one in entries):
            return Accepted(provider_ids=ids, segments=len(entries))
        failed = next(one for one in entries if not _is_taken(one))
        code = text_of(failed.get("status")) or "none"
        text = text_of(failed.get("error-text")) or f"status {code}"
        taken = sum(map(_is_taken, entries))
        if taken:
            why = f"vonage:{code}: {taken} of {len(entries)} segments taken: {text}"
            return Uncertain(
                why=why,
                provider_ids=ids,
                segments=len(entries),
                progress=_progress(entries),
            )
        error_class = self.errors.get(code, ErrorClass.REJECT)
        pause = _wait_hint_s(text) if error_class is ErrorClass.RETRY else None
        return outcome_of_error_class(error_class, f"vonage:{code}", text, pause)

    def price_of(self, answer: HttpAnswer) -> Decimal | None:
        """Return what the segments cost together."""
        return price_sum([entry.get("message-price") for entry in _entries(answer)])

    def takes(self, kind: WebhookKind) -> Mapping[str, Sequence[str]]:
        """Return what an account may be set to: GET, form POST or JSON POST."""
        return {"GET": (), "POST": (FORM, JSON)}

    def events_of(self, webhook: Webhook, now: float) -> WebhookContent | WebhookDenied:
        """Check `sig`, age and account, then read the fields."""
        fields = webhook.fields()
        proof = self._checked(fields, now)
        if isinstance(proof, WebhookDenied):
            return proof
        if fields.get("api-key", self.settings.api_key) != self.settings.api_key:
            return WebhookDenied(403, "another account")
        content = self._content(webhook.kind, fields, now)
        return proof.of(content, self.settings.remembered_s)

    def _checked(
        self, fields: Mapping[str, str], now: float
    ) -> SignatureProof | WebhookDenied:
        """Return what the signature proves, nothing where the account does not sign."""
        secret = self.settings.signature_secret
        if secret is None:
            return SignatureProof()
        if not is_signed(fields, secret, self.settings.signature_method):
            return WebhookDenied(401, "signature")
        signed_at = unix_time(fields.get("timestamp"))
        why = stale(signed_at, now, self.settings.webhook_age_s)
        if why is not None:
            return WebhookDenied(401, f"timestamp: {why}")
        nonce = fields.get("nonce")
        return SignatureProof(signed_at, None if nonce is None else f"nonce:{nonce}")

    def _content(
        self, kind: WebhookKind, fields: Mapping[str, str], now: float
    ) -> WebhookContent:
        provider_id = fields.get("messageId")
        if not provider_id:
            return WebhookContent(ignored="no messageId")
        if kind is WebhookKind.INCOMING:
            return WebhookContent(inbounds=(self._inbound(provider_id, fields, now),))
        word = fields.get("status", "")
        shown = ("status", "err-code", "network-code", "price", "scts")
        receipt = self.receipt(
            provider_id,
            word,
            fields.get("err-code"),
            about=fields.get("msisdn"),
            reference=fields.get("client-ref") or None,
            # the provider's own time: it is not said in which zone
            at=scts_time(fields.get("scts")),
            raw=" ".join(f"{name}={fields[name]}" for name in shown if name in fields),
            verified=self.settings.signature_secret is not None,
        )
        known = word.lower() in STATUSES
        return WebhookContent(
            receipts=(receipt,),
            ignored=None if known else "unknown status word",
        )

    def _inbound(
        self, provider_id: str, fields: Mapping[str, str], now: float
    ) -> Inbound:
        to = fields.get("to")
        binary = None
        if fields.get("type") == "binary":
            try:
                binary = bytes.fromhex(fields.get("data", ""))
            except ValueError:
                raise TheirFault("data is not hexadecimal") from None
        udh = _udh(fields.get("udh"))
        header = headers.parse(udh)[0] if udh else headers.Udh()
        dest_port, source_port = header.ports or (None, None)
        return self.new_inbound(
            provider_id,
            fields.get("msisdn", ""),
            to,
            None if binary is not None else fields.get("text", ""),
            received_at=now,
            binary=binary,
            charset="ucs2" if fields.get("type") == "unicode" else "gsm7",
            sent_at=iso_time(fields.get("message-timestamp")),
            part=part_of(fields) or header.part,
            dedup_window_s=self.remembered_s,
            udh=udh,
            dest_port=dest_port,
            source_port=source_port,
        )


def _udh(digits: str | None) -> bytes | None:
    """Return the header of a binary SMS; what is no header is none."""
    try:
        return bytes.fromhex(digits or "") or None
    except ValueError:
        return None


def part_of(fields: Mapping[str, str]) -> InboundSegment | None:
    """Return which segment of a long SMS this is; None for a whole one."""
    if fields.get("concat") != "true":
        return None
    total, number = (
        count_of(fields.get(name)) for name in ("concat-total", "concat-part")
    )
    if not 1 <= number <= total:
        return None
    return InboundSegment(fields.get("concat-ref", ""), total, number)


def scts_time(value: str | None) -> float | None:
    """Return YYMMDDHHMM as epoch seconds, read as UTC."""
    try:
        at = datetime.strptime(value or "", "%y%m%d%H%M")
    except ValueError:
        return None
    return at.replace(tzinfo=UTC).timestamp()


def _progress(entries: Sequence[Mapping[str, Any]]) -> Progress:
    """Return which segments are taken; the rest cannot be sent by itself."""
    return Progress(
        account="",
        ids=tuple(
            [
                (text_of(one.get("message-id")) or "") if _is_taken(one) else None
                for one in entries
            ]
        ),
        segments=len(entries),
    )


def _is_taken(entry: Mapping[str, Any]) -> bool:
    return text_of(entry.get("status")) == "0"


def _ids_in(entries: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    ids = (text_of(entry.get("message-id")) for entry in entries)
    return tuple(one for one in ids if one)


def _dispute(entry: Mapping[str, Any]) -> str | None:
    """Return how an entry contradicts itself, if it does."""
    said = text_of(entry.get("error-text"))
    if _is_taken(entry):
        return f"status 0 and {said}" if said else None
    status = text_of(entry.get("status")) or "none"
    return f"status {status} and a message-id" if entry.get("message-id") else None


def _entries(answer: HttpAnswer) -> list[dict[str, Any]]:
    if answer.cut:
        return []
    try:
        return mappings_of(mapping_of(read_json(answer.body)).get("messages"))
    except TheirFault:
        return []


def _wait_hint_s(text: str) -> float:
    found = WAIT_HINT.search(text)
    return int(found[1]) / 1000 if found else THROTTLE_PAUSE_S
