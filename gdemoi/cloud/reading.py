"""Reading what providers write, and hiding what must not be shown.

Providers disagree on what is a number and what a string; everything is read
leniently here, and whatever cannot be read is `TheirFault`, however deep or broken.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, Final
from urllib.parse import parse_qsl, quote, quote_plus

import msgspec

from gdemoi.errors import TheirFault
from gdemoi.message import Inbound

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
HIDDEN: Final = "***"
MOST_SEGMENTS: Final = 255
# E.164 §6.2
_E164: Final = re.compile(r"[1-9][0-9]{6,14}").fullmatch


def with_plus(number: str) -> str:
    """Return an inbound number as all channels write it: digits of E.164 get a plus.

    Providers write international numbers without it; what begins with 0 is none.
    """
    digits = number.removeprefix("+")
    return f"+{digits}" if _E164(digits) else number


def without_plus(number: str) -> str:
    """Return a number without its plus sign."""
    return number.removeprefix("+")


def read_json(body: bytes) -> Any:
    """Read JSON; TheirFault for anything else, however deep or broken."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as why:
        raise TheirFault(f"not JSON: {why}") from None


def read_repaired(body: bytes) -> tuple[Any, dict[str, bytes]]:
    """Read JSON that may hold broken UTF-8 or half an emoji in its texts.

    An SMS must not be lost for one octet.  Beside the value: repaired text -> its
    octets as they came.  TheirFault for everything that is not JSON otherwise.
    """
    try:
        return read_json(body), {}
    except TheirFault as why:
        raw_octets: dict[str, bytes] = {}
        try:
            value = json.loads(body.decode("utf-8", "surrogateescape"))
            text = _repaired(value, raw_octets)
        except (ValueError, RecursionError):
            raise why from None
        if not raw_octets:
            raise
        return text, raw_octets


def _repaired(value: Any, raw_octets: dict[str, bytes]) -> Any:
    if isinstance(value, str):
        return _repaired_text(value, raw_octets)
    if isinstance(value, list):
        return [_repaired(one, raw_octets) for one in value]
    if isinstance(value, dict):
        return {
            _repaired_text(name, raw_octets): _repaired(one, raw_octets)
            for name, one in value.items()
        }
    return value


def _repaired_text(text: str, raw_octets: dict[str, bytes]) -> str:
    try:
        text.encode("utf-8")
        return text
    except UnicodeEncodeError:
        octets = b"".join(map(_octets_of, text))
    text = octets.decode("utf-8", "replace")
    raw_octets[text] = octets
    return text


def _octets_of(letter: str) -> bytes:
    # U+DC80 to U+DCFF stand for the octets that were no UTF-8
    escaped = "\udc80" <= letter <= "\udcff"
    return letter.encode("utf-8", "surrogateescape" if escaped else "surrogatepass")


def with_octets(inbound: Inbound, raw_octets: Mapping[str, bytes]) -> Inbound:
    """Return an inbound SMS with its octets, if its text had to be repaired."""
    octets = raw_octets.get(inbound.text or "")
    if octets is None:
        return inbound
    return msgspec.structs.replace(inbound, binary=octets)


def mapping_of(value: Any) -> dict[str, Any]:
    """Return `value` if it is a JSON object; TheirFault if not."""
    if not isinstance(value, dict):
        raise TheirFault("not a JSON object")
    return value


def mappings_of(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a JSON array; TheirFault for anything else."""
    if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
        raise TheirFault("not an array of JSON objects")
    return value


def text_of(value: Any) -> str | None:
    """Return a JSON scalar as text; providers disagree on what is a number."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    return None


def word_of(value: Any) -> str | None:
    """Return a JSON string that is not empty; no other scalar is one."""
    return value if isinstance(value, str) and value else None


def number_of(value: Any) -> float | None:
    """Return a JSON number or numeric text as a number."""
    try:
        number = float(text_of(value) or "")
    except ValueError:
        return None
    return number if isfinite(number) else None


def count_of(value: Any) -> int:
    """Return how many segments a provider says there are; 0 when it makes no sense."""
    number = number_of(value)
    return int(number) if number is not None and 1 <= number <= MOST_SEGMENTS else 0


def objects_in(value: Any) -> list[dict[str, Any]]:
    """Return the JSON objects in what should be an array of them."""
    if not isinstance(value, list):
        return []
    return [one for one in value if isinstance(one, dict)]


def iso_time(value: Any) -> float | None:
    """Return an ISO 8601 time as epoch seconds; UTC when no zone is said."""
    try:
        at = datetime.fromisoformat(str(value or ""))
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def price_sum(prices: Sequence[Any]) -> Decimal | None:
    """Return the sum of price words, exactly; None when there is none."""
    total = None
    for price in prices:
        try:
            amount = Decimal(text_of(price) or "")
        except InvalidOperation:
            continue
        if amount.is_finite():
            total = amount if total is None else total + amount
    return total


def same(expected: str, given: str) -> bool:
    """Compare two secrets in constant time, whatever characters they hold."""
    return hmac.compare_digest(
        expected.encode("utf-8", "surrogatepass"), given.encode("utf-8", "replace")
    )


def fingerprint(*words: str) -> str:
    """Return a short digest that stands for `words`, to recognise repeats."""
    joined = "\0".join(words).encode("utf-8", "surrogatepass")
    return hashlib.sha256(joined).hexdigest()[:32]


def redact(text: str, secrets: Iterable[str]) -> str:
    """Hide every secret in `text`, plain or percent-encoded."""
    for secret in secrets:
        if not secret:
            continue
        for form in {secret, quote(secret, safe=""), quote_plus(secret)}:
            text = text.replace(form, HIDDEN)
    return text


def pairs_of(text: str) -> list[tuple[str, str]]:
    """Return the pairs of a query or form, blank values kept, in order."""
    return parse_qsl(text, keep_blank_values=True, errors="replace")


def octets_in(form: bytes, name: str) -> bytes:
    """Return the octets of a form's last field of that name; none is empty."""
    pairs = parse_qsl(
        form.decode("latin-1"), keep_blank_values=True, encoding="latin-1"
    )
    return dict(pairs).get(name, "").encode("latin-1")
