"""What `twistd` finds: the two plugins, with the names that it asks for."""

from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins
from twisted.python.usage import Options
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.sandbox import tap as sandbox_tap
from gdemoi.service import tap as gateway_tap


class PluginTests(SynchronousTestCase):
    def test_both_can_be_started(self) -> None:
        """`twistd` makes the options by the module's name `Options`."""
        makers = {one.tapname: one for one in getPlugins(IServiceMaker)}
        for name, module in (
            ("gdemoi-sms", gateway_tap),
            ("gdemoi-sandbox", sandbox_tap),
        ):
            maker = makers[name]
            self.assertIsInstance(maker.options(), Options)
            self.assertIs(maker.makeService, module.makeService)
