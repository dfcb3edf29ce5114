"""The direction of imports, checked from the source."""

import ast
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

PACKAGE = Path(__file__).parent.parent / "gdemoi"
WORDS = {
    *("message", "facts", "errors", "interfaces", "contract", "kit"),
    *("cellrate", "ini", "text", "moments", "profiles"),
}
# the packages of the kinds: a new protocol is a name in `gdemoi/kinds.py`, none here
PROTOCOLS = {
    node.module.split(".")[1]
    for node in ast.parse((PACKAGE / "kinds.py").read_text("utf-8")).body
    if isinstance(node, ast.ImportFrom) and (node.module or "").endswith(".channel")
}
SHELL_ROOMS = {"protocol", "http", "handshake", "webhooks", "poller"}
# beside the layers, but allowed to put all of it together
ASSEMBLIES = {"sandbox.tap", "sandbox.demo"}
LAYER_2 = {"net", "tasks", "journal"}
# seams: they name types of Twisted and define no behaviour
NAMES_TWISTED = {"interfaces", "contract.gateway"}
CLOCKS_AND_SOCKETS = {"time", "datetime.now", "socket", "asyncio", "threading"}


def modules() -> dict[str, Path]:
    """Return every module of the package by its name below `gdemoi`."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


def floor(name: str) -> int | None:
    """Return the layer of a module; None: beside the layers."""
    first, _, rest = name.partition(".")
    if name in ASSEMBLIES:
        return 7
    if first == "sandbox":
        return None
    if first in ("__init__", "") or first in WORDS:
        return 0
    if first in PROTOCOLS:
        room = rest.split(".")[-1] if rest else ""
        if room == "channel" or room.startswith("channel_"):
            return 3
        return 2 if room in SHELL_ROOMS else 1
    if name == "amqp.mapping":
        return 1
    if first in LAYER_2:
        return 2
    if first == "kinds":
        return 3
    if first == "routing":
        return 4
    return 5 if first in ("amqp", "http", "accounts", "doors", "smppserver") else 6


def imports(path: Path) -> set[str]:
    """Return the absolute names that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


class LayersTests(SynchronousTestCase):
    def test_imports_go_down_only(self) -> None:
        """No module imports one of a higher floor, and none the sandbox."""
        known = modules()
        wrong = []
        for name, path in known.items():
            own = floor(name)
            for target in imports(path):
                below = target.removeprefix("gdemoi.")
                if not target.startswith("gdemoi.") or below not in known:
                    continue
                theirs = floor(below)
                if own == 7:
                    continue
                if own is None:
                    if theirs is not None and theirs > 2:
                        wrong.append(f"{name} (sandbox) imports {below}")
                elif theirs is None or theirs > own:
                    wrong.append(f"{name} (floor {own}) imports {below} ({theirs})")
        self.assertEqual(wrong, [])

    def test_the_smpp_codec_stands_alone(self) -> None:
        """PDUs know nothing of the sessions and channels that send them."""
        wrong = [
            f"{name} imports {target}"
            for name, path in modules().items()
            if name.startswith("smpp.pdu")
            for target in imports(path)
            if target.startswith("gdemoi.")
            and not target.startswith(("gdemoi.smpp.pdu", "gdemoi.errors"))
        ]
        self.assertEqual(wrong, [])

    def test_protocol_packages_do_not_know_each_other(self) -> None:
        """What two protocols share lives below both."""
        wrong = [
            f"{name} imports {target}"
            for name, path in modules().items()
            if name.split(".")[0] in PROTOCOLS
            for target in imports(path)
            if target.startswith("gdemoi.")
            and target.split(".")[1] in PROTOCOLS - {name.split(".")[0]}
        ]
        self.assertEqual(wrong, [])

    def test_values_know_no_clock_and_no_socket(self) -> None:
        """Floors 0 and 1 import neither Twisted's reactor world nor time.

        `interfaces` and the gateway's seam name Twisted's own types; they define no
        behaviour.
        """
        wrong = []
        for name, path in modules().items():
            level = floor(name)
            if level is None or level > 1 or name in NAMES_TWISTED:
                continue
            wrong += [
                f"{name} imports {target}"
                for target in imports(path)
                if target.split(".")[0] in CLOCKS_AND_SOCKETS | {"twisted", "treq"}
            ]
        self.assertEqual(wrong, [])
