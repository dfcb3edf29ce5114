"""``make demo``: the sandbox, the gateway, and a few messages of every kind.

Starts both as real processes on 127.0.0.1 (`demo_processes`), talks to the gateway over
HTTP as a platform would, and prints each event as a line.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from gdemoi.profiles.answers import OutstandingCommand, find
from gdemoi.profiles.library import Library
from gdemoi.sandbox.demo_processes import (
    DOOR_PORT,
    HTTP_DOORS_PORT,
    PLATFORM_PORT,
    DemoFailed,
    DemoProcesses,
)
from gdemoi.sandbox.esme import DemoEsme
from gdemoi.sandbox.platform import DemoPlatform, ask
from gdemoi.smpp.pdu.statuses import name_of

LIMIT_S: Final = 90.0
START_S: Final = 30.0
# How long an answer of a tracker is waited for.
ANSWER_LIMIT_S: Final = 10.0
# How often it is seen that a process has ended.
LOOK_S: Final = 5
STYLES: Final = {
    "delivered": "bold green",
    "undelivered": "bold red",
    "rejected": "bold red",
    "expired": "bold red",
    "uncertain": "bold yellow",
}

# (what it is, the message).  The tracker behind each far side answers commands
# that end with a question mark.
MESSAGES: Final[list[tuple[str, dict[str, Any]]]] = [
    (
        "a GSM text over SMPP",
        {"text": "Alarm! Car left the zone @ 12:30", "channels": ["carrier"]},
    ),
    (
        "a long Cyrillic text over SMPP",
        {
            "text": "Внимание: автомобиль покинул геозону «Склад №1». " * 4,
            "channels": ["carrier"],
        },
    ),
    (
        "a Latin-1 tracker command with leading spaces",
        {
            "text": "  setparam 2004:gps.example.org?",
            "class": "command",
            "charset": "latin1",
            "channels": ["carrier"],
        },
    ),
    (
        "a binary SMS to a port",
        {
            "binary": base64.b64encode(bytes(range(32))).decode(),
            "dest_port": 2948,
            "channels": ["carrier"],
        },
    ),
    (
        "a command by a carrier that quotes receipts as Mensatek does",
        {"text": "status?", "class": "command", "channels": ["mensatek"]},
    ),
    (
        "a command through a GoIP line that loses three datagrams of ten",
        {"text": "getgps?", "class": "command", "channels": ["goip"]},
    ),
    (
        "a command through a Yeastar TG port",
        {"text": "getver?", "class": "command", "channels": ["tg"]},
    ),
]


# A configuration, as a platform does it: each command after the answer to the last.
TRACKER: Final = "+79161000001"
PROFILE: Final = "teltonika"
# That of [webhook:platform] in etc/demo.ini.
SECRET: Final = "whsec_ZGVtbyBkZW1vIGRlbW8gZGVtbyBkZW1vIGRlbW8gIQ=="
SEQUENCE: Final = (
    "  getver",
    "  setparam 2004:gps.example.org;2005:5027",
    "  getparam 2004;2005",
    # a letter of it is in the wrong case: told at once, sent all the same
    "  Getparam 2006",
)


def messages_for(channels: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Return `MESSAGES`, and a command for each channel that none of them names."""
    named = {name for _, message in MESSAGES for name in message["channels"]}
    return MESSAGES + [
        (
            f"a command through {name}",
            {"text": "getinfo?", "class": "command", "channels": [name]},
        )
        for name in channels
        if name not in named
    ]


class Demo:
    """The platform's side of the talk."""

    def __init__(self, console: Console, processes: DemoProcesses) -> None:
        self.console = console
        self.processes = processes
        self.titles: dict[str, str] = {}
        self.ended: dict[str, str] = {}
        self.inbound: set[str] = set()
        self.after = 0
        self.platform: DemoPlatform

    def run(self, once: bool) -> int:
        """Send everything, tell what happens, and say how it went."""
        with DemoPlatform(self.processes.ports[PLATFORM_PORT], SECRET) as platform:
            self.platform = platform
            return self.talk(once)

    def talk(self, once: bool) -> int:
        """Send everything, with a platform that hears."""
        messages = messages_for(self.await_gateway())
        ids = [self.send(title, message) for title, message in messages]
        wanted = {
            message["channels"][0]
            for _, message in messages
            if str(message.get("text", "")).endswith("?")
        }
        good = self.with_door(ids, wanted) and self.configure() and self.http_doors()
        self.console.print(f"\nStatus page and API: {self.processes.url}/")
        if once:
            return 0 if good else 1
        self.console.print("Ctrl-C ends the demo.\n")
        while True:
            self.tell_events(wait=LOOK_S)

    def with_door(self, ids: list[str], wanted: set[str]) -> bool:
        """Submit one message as an SMPP client, follow all, read its receipt."""
        title = "a text submitted by an SMPP client"
        try:
            with DemoEsme("127.0.0.1", self.processes.ports[DOOR_PORT]) as esme:
                bound = esme.bind("platform", "demo")
                answer = esme.submit("GdeMoi", "+79160009999", b"ping from a platform")
                if bound.command_status or answer.command_status:
                    status = bound.command_status or answer.command_status
                    raise DemoFailed(f"the SMPP door: {name_of(status)}")
                message_id = str(answer.message_id)
                self.titles[message_id] = title
                shown = Text.assemble((message_id, "cyan"), f"  {title}: ESME_ROK")
                self.console.print(shown)
                good = self.follow([*ids, message_id], wanted)
                if good:
                    receipt = f"the client's receipt: {esme.receipt()}"
                    self.console.print(Text(receipt, "magenta"))
        except OSError as fault:
            raise DemoFailed(f"the SMPP door: {fault}") from fault
        return good

    def http_doors(self) -> bool:
        """Send by each HTTP door, and hear what became of it."""
        self.console.print("\nPrograms that speak to Kannel, Jasmin, or a template:")
        doors = f"http://127.0.0.1:{self.processes.ports[HTTP_DOORS_PORT]}"
        calls = f"http://127.0.0.1:{self.processes.ports[PLATFORM_PORT]}"
        login = {"username": "vts", "password": "demo"}
        dlr = {"dlr-mask": "31", "dlr-url": f"{calls}/kannel?id=%I&state=%d"}
        kannel = {**login, "to": "+79160009991", "text": "ping from Kannel's client"}
        back = {"dlr-url": f"{calls}/jasmin", "dlr-level": "3"}
        jasmin = {**login, "to": "79160009992", "content": "ping from Jasmin's"}
        gate = {**login, "username": "gpsgate", "clientaddress": "+79160009993"}
        wanted = []
        for title, path, fields, heard in (
            ("Kannel", "/cgi-bin/sendsms", kannel | dlr, ("kannel", "1")),
            ("Jasmin", "/send", jasmin | back, ("jasmin", "DELIVRD")),
            ("GpsGate", "/sms", gate | {"message": "ping"}, ("webhook", "delivered")),
        ):
            status, said, id_ = ask(doors + path, fields)
            shown = Text.assemble((f"{status} ", "cyan"), said, f"  ({title})")
            self.console.print(shown)
            if status not in (200, 202):
                return False
            id_ = id_ or said.removeprefix('Success "').removesuffix('"')
            what, state = heard
            wanted += [(what, id_, state), ("webhook", id_, "delivered")]
        missing = self.platform.wait(*wanted)
        for what, id_, state in self.platform.heard[-12:]:
            line = f"  {what} told {id_[:8]} {state}"
            self.console.print(Text(line, "magenta"))
        for one in missing:
            self.console.print(f"not told: {' '.join(one)}", style="red")
        return not missing

    def await_gateway(self) -> list[str]:
        """Wait until the demo's own gateway and its channels are up; return them."""
        self.console.print("Starting the sandbox and the gateway ...")
        deadline = time.monotonic() + START_S
        down = ["everything"]
        while down:
            if time.monotonic() > deadline:
                raise DemoFailed(f"not up after {START_S:g} s: {', '.join(down)}")
            self.processes.check()
            try:
                self.processes.check_name()
                channels = self.processes.call("GET", "/v1/channels")
            except OSError:
                time.sleep(0.2)
                continue
            down = [c["name"] for c in channels["channels"] if c.get("unable")]
            if down:
                time.sleep(0.2)
        names = [str(c["name"]) for c in channels["channels"]]
        self.console.print(f"All channels are up: {', '.join(names)}\n")
        return names

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the gateway, as a platform would; raises `DemoFailed` when it is gone."""
        self.processes.check()
        try:
            return self.processes.call(method, path, body)
        except OSError as fault:
            # the connection breaks a moment before the process has ended
            time.sleep(1.0)
            self.processes.check()
            raise DemoFailed(
                f"{self.processes.name} does not answer: {fault}"
            ) from fault

    def send(self, title: str, message: dict[str, Any]) -> str:
        """Hand one message in, as a platform would."""
        number = f"+7916000{len(self.titles):04d}"
        answer = self.call("POST", "/v1/messages", {"to": number, **message})
        self.titles[answer["id"]] = title
        self.console.print(
            Text.assemble((answer["id"][:8], "cyan"), "  ", title, " to ", number)
        )
        return str(answer["id"])

    def follow(self, ids: list[str], wanted: set[str]) -> bool:
        """Print events until every message ended and every tracker answered."""
        self.console.print()
        deadline = time.monotonic() + LIMIT_S
        while set(ids) - set(self.ended) or wanted - self.inbound:
            if time.monotonic() > deadline:
                for each in set(ids) - set(self.ended):
                    self.console.print(f"no end: {self.titles[each]}", style="red")
                for channel in sorted(wanted - self.inbound):
                    self.console.print(f"no answer over {channel}", style="red")
                return False
            self.tell_events(wait=LOOK_S)
        # A TG box and the like have no receipts: `submitted` is their last word.
        bad = [
            f"{self.titles[each]}: {state}"
            for each, state in self.ended.items()
            if state not in ("delivered", "submitted")
        ]
        for line in bad:
            self.console.print(line, style="red")
        if not bad:
            self.console.print(
                f"\nAll {len(ids)} messages arrived, and the trackers answered over"
                f" {len(wanted)} channels.",
                style="bold green",
            )
        return not bad

    def configure(self) -> bool:
        """Send a tracker four commands, one after the answer to the other."""
        self.console.print(f"\nA {PROFILE} tracker is configured:")
        profile = Library().get(PROFILE)
        assert profile is not None
        answered = 0
        for text in SEQUENCE:
            message = {"to": TRACKER, "class": "command", "text": text}
            taken = self.call("POST", "/v1/messages", message)
            self.console.print(Text.assemble(("→ ", "cyan"), repr(text)))
            for one in taken["findings"]:
                problem = f"  {one['code']}: {one['text']}"
                self.console.print(Text(problem, style="yellow"))
            answer = self.answer_of(TRACKER, ANSWER_LIMIT_S)
            if answer is None:
                self.console.print(Text("  no answer", style="yellow"))
                continue
            command = OutstandingCommand(
                id=taken["id"],
                command=profile.read(text),
                left_at=0.0,
                deadline=ANSWER_LIMIT_S,
            )
            found = find(answer, [command], 1.0)
            state = "nothing of it" if found is None else str(found.state)
            self.console.print(
                Text.assemble(("← ", "magenta"), repr(answer), (f"  {state}", "green"))
            )
            answered += 1
        # the last one is not understood, and trackers keep silent then
        return answered == len(SEQUENCE) - 1

    def answer_of(self, number: str, limit_s: float) -> str | None:
        """Return the text of the next SMS from a number, None when none comes."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            path = f"/v1/events?after={self.after}&limit=100&wait=1"
            page = self.call("GET", path)
            self.after = page["after"]
            for event in page["events"]:
                if event["type"] == "inbound" and event["from"] == number:
                    return str(event["text"])
        return None

    def tell_events(self, wait: int) -> None:
        """Read the next events and print a line for each."""
        answer = self.call(
            "GET", f"/v1/events?after={self.after}&limit=100&wait={wait}"
        )
        for event in answer["events"]:
            self.tell(event)
        self.after = answer["after"]

    def tell(self, event: dict[str, Any]) -> None:
        """Print one event."""
        if event["type"] == "status":
            state = event["state"]
            if event["final"]:
                self.ended[event["id"]] = state
            segments = event["segments"]["total"]
            error = event["error"]
            self.console.print(
                Text.assemble(
                    (event["at"][11:23], "dim"),
                    "  ",
                    (event["id"][:8], "cyan"),
                    "  ",
                    (f"{state:<11}", STYLES.get(state, "")),
                    f" {event['channel'] or '-':<10}",
                    f" {segments} segments" if segments > 1 else "",
                    (f"  {error['code']} {error['text']}" if error else "", "yellow"),
                )
            )
        elif event["type"] == "inbound":
            self.inbound.add(event["channel"])
            self.console.print(
                Text.assemble(
                    (event["received_at"][11:23], "dim"),
                    "  ",
                    (f"from {event['from']} over {event['channel']}: ", "magenta"),
                    repr(event["text"]),
                )
            )


def main() -> int:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--once", action="store_true", help="end after the last receipt"
    )
    arguments = parser.parse_args()
    # Both end the demo as Ctrl-C does, so that no process is left behind.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    console = Console(highlight=False, soft_wrap=True)
    folder = Path(tempfile.mkdtemp(prefix="gdemoi-demo-"))
    processes = DemoProcesses(folder)
    try:
        processes.start()
        status = Demo(console, processes).run(arguments.once)
    except DemoFailed as over:
        console.print(Text(f"\nThe demo ends: {over}", style="bold red"))
        status = 1
    except KeyboardInterrupt:
        status = 130
    finally:
        processes.stop()
    if status == 1:
        console.print(f"Its files are kept in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
