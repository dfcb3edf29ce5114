"""The outer world of commands: an API over a gateway in memory."""

from __future__ import annotations

import io
import urllib.error
import urllib.request
from email.message import Message
from typing import IO, Any

from attrs import define, field
from click.testing import CliRunner, Result

from gdemoi.cli import main
from gdemoi.cli.asking import CliEnvironment
from gdemoi.smpp.settings import SmppSettings
from tests.http.gateway import Client, parsed


@define
class Terminal:
    """Types commands; connections end at `client`, or fail with `refused`."""

    client: Client = field(factory=Client)
    refused: OSError | None = None
    asked: list[urllib.request.Request] = field(factory=list)
    slept: list[float] = field(factory=list)
    now: float = 0.0
    # how wide the terminal is; None: a pipe
    columns: int | None = 160
    # what a probe finds, and the settings that it was called with
    found: list[dict[str, Any]] = field(factory=list)
    probed: list[SmppSettings] = field(factory=list)

    def open(self, request: urllib.request.Request, timeout: float | None) -> IO[bytes]:
        """Carry a request to the API."""
        self.asked.append(request)
        if self.refused is not None:
            raise urllib.error.URLError(self.refused)
        path = request.full_url.split("/", 3)[-1]
        headers = {name.lower(): value for name, value in request.header_items()}
        body = request.data if isinstance(request.data, bytes) else b""
        heard = self.client.open(request.get_method(), f"/{path}", body, headers)
        answer = parsed(heard.heard())
        if answer.status >= 400:
            raise urllib.error.HTTPError(
                request.full_url, answer.status, "", Message(), io.BytesIO(answer.body)
            )
        return io.BytesIO(answer.body)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.now += seconds

    def probe(self, settings: SmppSettings) -> list[dict[str, Any]]:
        """Find what the test says."""
        self.probed.append(settings)
        return self.found

    def type(self, *words: str) -> Result:
        """Run a command."""
        environment = CliEnvironment(
            self.open, self.sleep, lambda: self.now, self.probe
        )
        columns = None if self.columns is None else str(self.columns)
        return CliRunner(env={"COLUMNS": columns}).invoke(main, words, obj=environment)
