"""Chromium without a head, over the octets of the API: no socket, no server.

Whatever the page asks is answered by an `Api` in this process; nothing else is
reached.  Debian's chromium is driven by playwright.  Where either is missing such
tests are skipped with one line, and fail with ``GDEMOI_REQUIRE_SERVICES=1``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from unittest import SkipTest
from urllib.parse import urlsplit

from tests.http.gateway import parsed

HOST = "localhost:8990"
ORIGIN = f"http://{HOST}"
# those that a client adds on its way, and that are not its own to say
_OF_THE_WIRE = {"host", "content-length", "connection"}
# these stand for the body as it came over the wire
_OF_THE_BODY = {"transfer-encoding", "content-length", "connection"}


class Answering(Protocol):
    """What a browser talks to."""

    def asked(
        self, method: str, target: str, body: bytes, headers: dict[str, str]
    ) -> bytes:
        """Return the octets of an answer."""


def chromium_path() -> str:
    """Return where Debian's chromium is; skip (or fail) where something is missing."""
    found = shutil.which("chromium")
    missing = None if found else "there is no chromium (Debian: chromium)"
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        missing = "there is no playwright (pip install gdemoi[test])"
    if missing is None and found is not None:
        return found
    if os.environ.get("GDEMOI_REQUIRE_SERVICES") == "1":
        raise AssertionError(missing)
    raise SkipTest(missing)


@contextmanager
def launched() -> Iterator[Any]:
    """Run a browser; chromium refuses its sandbox to root."""
    path = chromium_path()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            browser.close()


def answered_by(context: Any, gateway: Answering, down: Any = lambda: False) -> None:
    """Let each request of a browser's context be answered by `gateway`.

    While `down` is true no request gets an answer.
    """

    def answer(route: Any) -> None:
        request = route.request
        parts = urlsplit(request.url)
        if parts.netloc != HOST or down():
            route.abort()
            return
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        headers = {
            name: value
            for name, value in request.all_headers().items()
            if not name.startswith(":") and name not in _OF_THE_WIRE
        }
        body = request.post_data_buffer or b""
        heard = gateway.asked(request.method, target, body, {"host": HOST, **headers})
        if not heard:
            route.abort()
            return
        said = parsed(heard)
        kept = {
            name: value
            for name, value in said.headers.items()
            if name not in _OF_THE_BODY
        }
        route.fulfill(status=said.status, headers=kept, body=said.body)

    context.route("**/*", answer)
