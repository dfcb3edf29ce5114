"""Answers and errors of the API as JSON, and queries read strictly.

Knows the shapes of docs/http.rst, "Errors", and nothing of what is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec
from twisted.web.iweb import IRequest

from gdemoi.errors import GdemoiError, InvalidMessage, Unavailable
from gdemoi.message import Error
from gdemoi.moments import within

_JSON: Final = b"application/json"
_is_whole: Final = re.compile(r"[0-9]+").fullmatch
_is_number: Final = re.compile(
    r"([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"
).fullmatch
_MOST_DIGITS: Final = 18
# After a 503.
RETRY_AFTER_S: Final = 5
DEFAULT_LIMIT: Final = 100
LARGEST_LIMIT: Final = 1000
encode: Final = msgspec.json.Encoder().encode
# The field that a channel's refusal is about.
_FAULTY: Final = {
    "gateway:unencodable": "text",
    "gateway:sender_not_allowed": "from",
    "gateway:bad_number": "to",
    "gateway:tracker_check": "text",
}


class Problem(GdemoiError):
    """A request that is answered with an error; `status` is HTTP's.

    `more` stands beside the error in the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        text: str,
        field: str | None = None,
        retry_after_s: int | None = None,
        **more: Any,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.body = error_of(code, text, field) | more
        self.retry_after_s = retry_after_s


def error_of(code: str, text: str, field: str | None = None) -> dict[str, Any]:
    """Return the body of an error; `code` without a namespace is the gateway's."""
    full = code if ":" in code else f"gateway:{code}"
    return {"error": {"code": full, "text": text, "field": field}}


def error_of_invalid(invalid: InvalidMessage) -> dict[str, Any]:
    """Return the body for a message that cannot be taken."""
    return error_of(invalid.code, invalid.text, invalid.field)


def error_of_refusal(error: Error) -> dict[str, Any]:
    """Return the body for a message that no channel can carry."""
    return error_of(error.code, error.text, _FAULTY.get(error.code))


def answer(request: IRequest, body: Any, status: int = 200) -> bytes:
    """Return `body` as JSON, and set the headers for it."""
    # Twisted knows no phrase for 422
    request.setResponseCode(status, HTTPStatus(status).phrase.encode("ascii"))
    request.setHeader(b"content-type", _JSON)
    request.setHeader(b"cache-control", b"no-store")
    return body if isinstance(body, bytes) else encode(body)


def download(request: IRequest, octets: bytes, name: str) -> bytes:
    """Return a file to be kept, and set the headers for it.

    `name` is a channel's with a suffix: letters, digits, ``_`` and ``-``.
    """
    request.setHeader(b"content-type", b"application/octet-stream")
    request.setHeader(b"cache-control", b"no-store")
    disposition = f'attachment; filename="{name}"'
    request.setHeader(b"content-disposition", disposition.encode("ascii"))
    return octets


def refuse(request: IRequest, problem: Problem) -> bytes:
    """Return a problem as JSON, and set the headers for it."""
    if problem.retry_after_s is not None:
        request.setHeader(b"retry-after", b"%d" % problem.retry_after_s)
    if problem.status == 401:
        request.setHeader(b"www-authenticate", b'Bearer realm="gdemoi"')
    return answer(request, problem.body, problem.status)


def refuse_fault(
    request: IRequest, fault: Problem | InvalidMessage | Unavailable
) -> bytes:
    """Return why a request cannot be done as JSON, and set the headers for it."""
    if isinstance(fault, InvalidMessage):
        return answer(request, error_of_invalid(fault), 422)
    if isinstance(fault, Unavailable):
        text = str(fault) or "not now"
        fault = Problem(503, "unavailable", text, retry_after_s=RETRY_AFTER_S)
    return refuse(request, fault)


def unexpected() -> dict[str, Any]:
    """Return the body for a fault of our own."""
    return error_of("internal", "the gateway failed; its log tells why")


class QueryParameters:
    """The parameters of a request's URL; unknown or broken ones are refused."""

    def __init__(self, request: IRequest, known: Iterable[str]) -> None:
        self._values: dict[str, str] = {}
        args: dict[bytes, list[bytes]] = request.args
        allowed = set(known)
        for raw, values in args.items():
            name = raw.decode("utf-8", "replace")
            if name not in allowed:
                raise Problem(422, "invalid", f"{name!r} is not a parameter", name)
            if len(values) > 1:
                raise Problem(422, "invalid", f"{name} is given twice", name)
            try:
                self._values[name] = values[0].decode("utf-8")
            except UnicodeDecodeError:
                raise Problem(422, "invalid", f"{name} is not UTF-8", name) from None
            if "\0" in self._values[name]:
                raise Problem(422, "invalid", f"{name} has a U+0000", name)
            if not values[0]:
                raise _empty(name)
        for word in request.uri.partition(b"?")[2].split(b"&"):
            # `?to` alone is no argument to Twisted
            if word and b"=" not in word:
                raise _empty(unquote_to_bytes(word).decode("utf-8", "replace"))

    def text(self, name: str) -> str | None:
        """Return a parameter, None when it is absent."""
        return self._values.get(name)

    def count(self, name: str, default: int, high: int) -> int:
        """Return a whole number; those beyond `high` are `high`."""
        value = self.text(name)
        if value is None:
            return default
        if not _is_whole(value):
            raise Problem(422, "invalid", f"{name} is not a whole number", name)
        # longer ones than any, and than int() reads
        return high if len(value) > _MOST_DIGITS else min(int(value), high)

    def limit(self) -> int:
        """Return how many of a list are wanted at most."""
        found = self.count("limit", DEFAULT_LIMIT, LARGEST_LIMIT + 1)
        if not 1 <= found <= LARGEST_LIMIT:
            raise Problem(422, "invalid", f"limit is 1 to {LARGEST_LIMIT}", "limit")
        return found

    def seconds(self, name: str, longest_s: float) -> float:
        """Return a duration in seconds, cut to the longest; 0 when it is absent."""
        value = self.text(name)
        if value is None:
            return 0.0
        if not _is_number(value):
            raise Problem(422, "invalid", f"{name} is not a number", name)
        return min(float(value), longest_s)

    def moment(self, name: str) -> float | None:
        """Return a time (RFC 3339 with zone, or epoch seconds) in epoch seconds."""
        value = self.text(name)
        if value is None:
            return None
        if _is_number(value):
            return within(float(value))
        try:
            # "+" of a zone arrives as a space when it was not quoted
            found = datetime.fromisoformat(value.replace(" ", "+"))
        except ValueError:
            found = None
        if found is None or found.tzinfo is None:
            raise Problem(
                422, "invalid", f"{name} is not a time like 2026-11-21T03:00:00Z", name
            )
        return within(found.timestamp())


def _empty(name: str) -> Problem:
    # a filter that was meant to hold something would find everything
    return Problem(422, "invalid", f"{name} is empty", name)


# The page's own script and style, its own API, and nothing from elsewhere.
_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self';"
    b" connect-src 'self'; base-uri 'none'; form-action 'none';"
    b" frame-ancestors 'none'"
)


def static(request: IRequest, name: str, type_: bytes) -> bytes:
    """Return a file of this package."""
    request.setHeader(b"content-type", type_)
    request.setHeader(b"cache-control", b"no-cache")
    request.setHeader(b"content-security-policy", _POLICY)
    return files("gdemoi.http").joinpath(name).read_bytes()
