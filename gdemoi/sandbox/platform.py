"""A small platform for the demo: what the gateway calls, and curl's part as a client.

A thread that hears dlr-url, Jasmin's callbacks and signed webhooks, and keeps a line of
each; requests that a program makes that speaks to Kannel, Jasmin or a template.
"""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlencode

import msgspec
from standardwebhooks import Webhook, WebhookVerificationError

LIMIT_S: Final = 30.0
_LOOK_S: Final = 0.1


class DemoPlatform:
    """Hears callbacks at a port of 127.0.0.1; `heard` are (what, about, state)."""

    def __init__(self, port: int, secret: str) -> None:
        self.heard: list[tuple[str, str, str]] = []
        self._webhook = Webhook(secret)
        handler = type("Handler", (_Handler,), {"platform": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def hear(self, path: str, headers: dict[str, str], body: bytes) -> bool:
        """Keep what came; False: it is not to be believed."""
        address, _, query = path.partition("?")
        fields = dict(parse_qsl(query) or parse_qsl(body.decode("utf-8", "replace")))
        if address == "/kannel":
            self.heard.append(("kannel", fields["id"], fields["state"]))
        elif address == "/jasmin":
            self.heard.append(("jasmin", fields["id"], fields["message_status"]))
        else:
            try:
                self._webhook.verify(body, headers, json_parse=False)
            except WebhookVerificationError:
                return False
            event = msgspec.json.decode(body)
            self.heard.append(("webhook", event.get("id", ""), event.get("state", "")))
        return True

    def wait(self, *wanted: tuple[str, str, str]) -> list[tuple[str, str, str]]:
        """Wait until all of these were heard; return those that were not."""
        deadline = time.monotonic() + LIMIT_S
        missing = list(wanted)
        while missing and time.monotonic() < deadline:
            missing = [one for one in wanted if one not in self.heard]
            time.sleep(_LOOK_S)
        return missing


class _Handler(BaseHTTPRequestHandler):
    """Answers as Jasmin's clients do, whatever it was that came."""

    platform: DemoPlatform

    def do_GET(self) -> None:
        """Hear a callback."""
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        good = self.platform.hear(self.path, headers, self.rfile.read(length))
        body = b"ACK/Jasmin"
        self.send_response(200 if good else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def ask(url: str, fields: dict[str, str]) -> tuple[int, str, str]:
    """GET as such programs do; return status, body, and the gateway's own header."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}?{urlencode(fields)}", timeout=LIMIT_S) as answer:
            id_ = answer.headers.get("X-Gdemoi-Id") or ""
            return answer.status, answer.read().decode(), id_
    except urllib.error.HTTPError as fault:
        with fault:
            return fault.code, fault.read().decode("utf-8", "replace"), ""
