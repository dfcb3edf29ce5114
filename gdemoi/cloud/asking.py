"""Making requests: forms, JSON and questions, with their credentials."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from gdemoi.cloud.provider import HttpRequest
from gdemoi.cloud.reading import FORM, JSON


def form_request(
    url: str,
    fields: Iterable[tuple[str, str]],
    headers: Iterable[tuple[str, str]] = (),
    secrets: tuple[str, ...] = (),
) -> HttpRequest:
    """Return a POST of a form; ``+`` travels as ``%2B``."""
    return HttpRequest(
        method="POST",
        url=url,
        headers=(("Content-Type", FORM), ("Accept", JSON), *headers),
        body=urlencode(list(fields)).encode("ascii"),
        secrets=secrets,
    )


def json_request(
    url: str,
    payload: Mapping[str, Any],
    headers: Iterable[tuple[str, str]] = (),
    secrets: tuple[str, ...] = (),
) -> HttpRequest:
    """Return a POST of a JSON object."""
    return HttpRequest(
        method="POST",
        url=url,
        headers=(("Content-Type", JSON), ("Accept", JSON), *headers),
        body=msgspec.json.encode(payload),
        secrets=secrets,
    )


def get_request(
    url: str,
    query: Iterable[tuple[str, str]] = (),
    headers: Iterable[tuple[str, str]] = (),
    secrets: tuple[str, ...] = (),
) -> HttpRequest:
    """Return a GET."""
    asked = urlencode(list(query))
    return HttpRequest(
        method="GET",
        url=f"{url}?{asked}" if asked else url,
        headers=(("Accept", JSON), *headers),
        secrets=secrets,
    )


def basic(user: str, password: str) -> tuple[str, str]:
    """Return the Authorization header of HTTP Basic (RFC 7617), UTF-8."""
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    return ("Authorization", f"Basic {credentials}")
