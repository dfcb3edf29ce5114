"""The cloud kinds, made as the gateway makes them."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from twisted.internet.defer import succeed
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from gdemoi.cloud.channel import KINDS, PROVIDERS
from gdemoi.cloud.vonage.messages import VonageMessages
from gdemoi.cloud.vonage.sms import VonageSms
from gdemoi.errors import ConfigurationError
from gdemoi.interfaces import ChannelContext, IChannel
from tests.cloud.net import demo_settings, provider_of, vonage

ROOT = Path(__file__).parents[2]


def context(mounted: dict[str, Any]) -> ChannelContext:
    reactor = MemoryReactorClock()
    return ChannelContext(
        reactor=reactor,
        clock=reactor,
        random=lambda: 0.5,
        public_url="https://sms.example.org",
        mount=mounted.__setitem__,
        cursor=lambda name: succeed(None),
        set_cursor=lambda name, value: succeed(None),
    )


def names_in(path: Path) -> set[str]:
    """Return the names and texts of a module, without its docstrings and comments."""
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        for field in ("id", "attr", "arg", "name", "module"):
            word = getattr(node, field, None)
            if isinstance(word, str):
                found.add(word)
        if isinstance(node, ast.Constant) and id(node) not in docs:
            found.add(str(node.value))
    return found


class ProviderNamesTests(SynchronousTestCase):
    def test_generic_code_names_no_provider(self) -> None:
        """A provider is one file and one name: no other module has to know of it."""
        words = [word for one in PROVIDERS for word in (one.name, *one.aliases)]
        # the list of them, and that of their stand-ins
        own = [ROOT / "gdemoi/cloud/channel.py", ROOT / "gdemoi/sandbox/clouds.py"]
        for one in PROVIDERS:
            own += ROOT.glob(f"gdemoi/cloud/{one.name}.py")
            own += ROOT.glob(f"gdemoi/cloud/{one.name}/*.py")
            own += ROOT.glob(f"gdemoi/sandbox/clouds_{one.name}.py")
        # the platform's own rows name providers, each with fields of its own
        own.append(ROOT / "gdemoi/importing/navixy.py")
        generic = [one for one in ROOT.glob("gdemoi/**/*.py") if one not in own]
        self.assertGreater(len(generic), 100)
        wrong = [
            f"{path.relative_to(ROOT)}: {name}"
            for path in generic
            for name in names_in(path)
            if any(word in name.lower() for word in words)
        ]
        self.assertEqual(wrong, [])


class KindTests(SynchronousTestCase):
    def test_each_kind_makes_a_channel(self) -> None:
        """With its webhooks mounted, a window and an account without secrets."""
        for kind in KINDS:
            mounted: dict[str, Any] = {}
            own = demo_settings(kind.name)
            self.assertIsInstance(own, kind.settings)
            channel = kind.make("eu", own, [], context(mounted))
            self.assertTrue(verifyObject(IChannel, channel))
            self.assertEqual((channel.name, channel.kind), ("eu", kind.name))
            self.assertEqual(list(mounted), ["eu"])
            self.assertEqual(set(mounted["eu"].children), {b"incoming", b"status"})
            self.assertGreaterEqual(channel.window, own.in_flight)
            self.assertEqual(channel.unable(), "not started")
            self.assertEqual(channel.describe()["state"], "up")

    def test_nexmo_is_another_word_for_vonage(self) -> None:
        """Old files say it."""
        aliases = {kind.name: kind.aliases for kind in KINDS}
        self.assertEqual(aliases["vonage"], ("nexmo",))

    def test_vonage_in_both_shapes(self) -> None:
        """api = messages, or sms."""
        self.assertIsInstance(provider_of("x", vonage(api="sms")), VonageSms)
        self.assertIsInstance(provider_of("x", vonage(api="messages")), VonageMessages)

    def test_an_applications_key_is_read_when_the_channel_is_made(self) -> None:
        """A file that is not there is a fault of the configuration."""
        path = self.mktemp()
        pem = (
            rsa.generate_private_key(public_exponent=65537, key_size=2048)
            .private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            .decode()
        )
        Path(path).write_text(pem, encoding="ascii")
        own = vonage(api="messages", application_id="app", private_key=path)
        provider = provider_of("x", own)
        assert isinstance(provider, VonageMessages) and provider.tokens is not None
        self.assertEqual(provider.tokens.private_key, pem)
        gone = vonage(api="messages", application_id="app", private_key=path + "x")
        with self.assertRaises(ConfigurationError):
            provider_of("x", gone)
        Path(path).write_text("no key", encoding="ascii")
        with self.assertRaises(ConfigurationError):
            provider_of("x", own)
