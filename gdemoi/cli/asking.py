"""How commands reach a running gateway: options, HTTP, what can go wrong.

`CliEnvironment` is what a command has outside itself (connections, sleep), so that
tests can put another one in.
"""

from __future__ import annotations

import functools
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import IO, Any, Final

import click
from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from twisted.logger import globalLogBeginner
from twisted.python.failure import Failure

from gdemoi.cli.terminal import json_text, printable_lines, terminal
from gdemoi.contract.remedies import remedy_of
from gdemoi.http.settings import HttpSettings
from gdemoi.ini import parse
from gdemoi.settings import Disk
from gdemoi.smpp.settings import SmppSettings

REFUSED: Final = 1
UNREADABLE: Final = 2
UNREACHABLE: Final = 3
_TIMEOUT_S: Final = 90.0
# An argument that is no UTF-8 has surrogates (PEP 383): its octets are what was typed.
_AS_OCTETS: Final = "surrogateescape"
_DEFAULT_URL: Final = "http://127.0.0.1:8990"


def _open(request: urllib.request.Request, timeout: float | None) -> IO[bytes]:
    """Open a request, never by way of a proxy: gateways are near."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    answer: IO[bytes] = opener.open(request, timeout=timeout)
    return answer


def _probe(settings: SmppSettings) -> list[dict[str, Any]]:
    """Probe a far side over the network; runs the reactor, once in a process."""
    from twisted.internet import reactor

    from gdemoi.smpp.channel_probe import probe

    done: list[Any] = []

    def begin() -> None:
        running = Deferred.fromCoroutine(probe(settings, reactor))
        # its end ends the reactor; nobody else waits for it
        running.addBoth(done.append).addBoth(  # type: ignore[unused-awaitable]
            lambda _: reactor.stop()
        )

    # what Twisted logs is told in the answer; it would print tracebacks
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False)
    reactor.callWhenRunning(begin)
    reactor.run()
    if not done:
        # Ctrl-C ended the reactor
        raise click.Abort
    if isinstance(done[0], Failure):
        done[0].raiseException()
    return [one.as_data() for one in done[0]]


@frozen
class CliEnvironment:
    """The outer world of a command."""

    open: Callable[[urllib.request.Request, float | None], IO[bytes]] = _open
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    probe: Callable[[SmppSettings], list[dict[str, Any]]] = _probe


class CliError(click.ClickException):
    """What a command tells instead of a traceback."""

    def __init__(
        self, text: str, exit_code: int = REFUSED, body: dict[str, Any] | None = None
    ) -> None:
        super().__init__(text)
        # click reads it from the instance
        self.exit_code = exit_code  # type: ignore[misc]
        self.body = body or {"error": {"code": "cli", "text": text, "field": None}}

    def format_message(self) -> str:
        """Return what click prints."""
        return printable_lines(self.message)


@frozen
class Choices:
    """What the shared options said."""

    environment: CliEnvironment
    config: str | None = None
    url: str | None = None
    token: str | None = None
    as_json: bool = False

    def over(
        self, config: str | None, url: str | None, token: str | None, as_json: bool
    ) -> Choices:
        """Return the options of a command over those of the whole."""
        return evolve(
            self,
            config=config or self.config,
            url=url or self.url,
            token=token or self.token,
            as_json=as_json or self.as_json,
        )


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def shared_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where the gateway is."""
    for option in (
        click.option("--config", metavar="FILE", help="Read URL and token from there."),
        click.option(
            "--url",
            envvar="GDEMOI_URL",
            help=f"Address of the gateway [default: {_DEFAULT_URL}].",
        ),
        click.option("--token", envvar="GDEMOI_TOKEN", help="The API's token."),
        json_option,
    ):
        command = option(command)
    return command


class Remote:
    """A running gateway, and where to print what it says."""

    def __init__(self, choices: Choices) -> None:
        self.environment = choices.environment
        self.as_json = choices.as_json
        self.console = terminal()
        self.url, self._token = _address(choices)

    def get(self, path: str, **query: Any) -> Any:
        """Ask for something."""
        given = {name: value for name, value in query.items() if value is not None}
        if given:
            path += "?" + urllib.parse.urlencode(given, errors=_AS_OCTETS)
        return self._ask("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        """Have something done."""
        return self._ask("POST", path, body)

    def put(self, path: str, body: Any) -> Any:
        """Have something set."""
        return self._ask("PUT", path, body)

    def delete(self, path: str) -> Any:
        """Have something taken back."""
        return self._ask("DELETE", path)

    def stream(self, path: str) -> Iterator[Any]:
        """Read a stream of events until it ends."""
        request = self._request("GET", path)
        request.add_header("accept", "text/event-stream")
        with self._opened(request, None) as answer:
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))

    def download(self, path: str) -> bytes:
        """Get a file."""
        with self._opened(self._request("GET", path), _TIMEOUT_S) as answer:
            return answer.read()

    def print_json(self, body: Any) -> None:
        """Print JSON, one document to a line when it is not for people."""
        indent = 2 if self.console.is_terminal else None
        click.echo(json_text(body, indent))

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        request = self._request(method, path, body)
        with self._opened(request, _TIMEOUT_S) as answer:
            octets = answer.read()
        try:
            return json.loads(octets)
        except ValueError:
            text = f"{self.url} answers, but not as a gdemoi gateway does"
            raise CliError(text, UNREACHABLE) from None

    def _request(
        self, method: str, path: str, body: Any = None
    ) -> urllib.request.Request:
        data = None if body is None else json.dumps(body).encode()
        try:
            request = urllib.request.Request(self.url + path, data, method=method)
        except ValueError as error:
            text = f"{self.url} is no address: {error}"
            raise CliError(text, UNREADABLE) from None
        if data is not None:
            request.add_header("content-type", "application/json")
        if self._token:
            request.add_header("authorization", f"Bearer {self._token}")
        return request

    def _opened(
        self, request: urllib.request.Request, timeout: float | None
    ) -> IO[bytes]:
        try:
            return self.environment.open(request, timeout)
        except urllib.error.HTTPError as error:
            raise _refused(error) from None
        except urllib.error.URLError as error:
            reason = error.reason
            why = getattr(reason, "strerror", None) or str(reason)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
        raise CliError(f"no gateway answers at {self.url}: {why}", UNREACHABLE)


def _refused(error: urllib.error.HTTPError) -> CliError:
    """Turn an answer of the API into words."""
    with error:
        octets = error.read()
    try:
        body = json.loads(octets)
        said = body["error"]
        text, field = str(said["text"]), said.get("field")
    except (ValueError, KeyError, TypeError, AttributeError):
        return CliError(f"the answer was HTTP {error.code}", REFUSED)
    if error.code == 401:
        text = "the token is missing or wrong; give --token, --config or GDEMOI_TOKEN"
    where = f"{field}: " if field and field not in text else ""
    code = str(said.get("code", ""))
    known = remedy_of(code)
    remedy = f"\n→ {known.en}" if known is not None else ""
    word = code.removeprefix("gateway:")
    return CliError(f"{where}{text} ({word}){remedy}", REFUSED, body)


def _address(choices: Choices) -> tuple[str, str | None]:
    """Return URL and token, from the options or the configuration."""
    url, token = choices.url, choices.token
    if choices.config is not None and (url is None or token is None):
        found = http_settings(choices.config)
        url = url or _url_of(found)
        token = token or found.token
    url = (url or _DEFAULT_URL).rstrip("/")
    if not url.startswith(("http://", "https://")):
        url = f"http://{url}"
    return url, token


def http_settings(file: str) -> HttpSettings:
    """Read only [http] of a configuration.

    A client needs no more, and may not be allowed to read the carriers' secrets.
    """
    try:
        document = parse(file, Disk())
    except OSError as error:
        raise CliError(f"{file}: {error.strerror}", UNREADABLE) from None
    for section in document.of_kind("http"):
        found = section.read(HttpSettings)
        if found is None:
            data = "\n".join(str(one) for one in document.errors)
            raise CliError(data, UNREADABLE)
        return found
    raise CliError(f"{file} has no [http] section; give --url", UNREADABLE)


def _url_of(settings: HttpSettings) -> str:
    kind, _, rest = settings.listen.partition(":")
    if kind not in ("tcp", "tcp4", "tcp6", "ssl", "tls"):
        raise CliError(f"[http] listens at {settings.listen}; give --url", UNREADABLE)
    port = rest.split(":")[0].removeprefix("port=")
    scheme = "https" if kind in ("ssl", "tls") else "http"
    host = "127.0.0.1"
    if "interface=" in rest:
        escaped = rest.replace("\\:", "\0").split("interface=")[1].split(":")[0]
        host = escaped.replace("\0", ":")
    if host in ("", "0.0.0.0", "::"):
        host = "127.0.0.1"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def remote(command: Callable[..., Any]) -> Callable[..., Any]:
    """Make a command one that talks to a gateway: it gets a `Remote` first."""

    @shared_options
    @functools.wraps(command)
    def asking(
        config: str | None,
        url: str | None,
        token: str | None,
        as_json: bool,
        **options: Any,
    ) -> None:
        context = click.get_current_context()
        whole = (
            context.obj
            if isinstance(context.obj, Choices)
            else Choices(CliEnvironment())
        )
        choices = whole.over(config, url, token, as_json)
        try:
            command(Remote(choices), **options)
        except CliError as trouble:
            if not choices.as_json:
                raise
            click.echo(json_text(trouble.body))
            context.exit(trouble.exit_code)

    return asking


def quoted(word: str) -> str:
    """Return a word as a part of a path; an empty one would name another path."""
    if not word:
        raise click.UsageError("a name or an id is empty")
    return urllib.parse.quote(word, safe="", errors=_AS_OCTETS)
