"""The cloud kinds: settings class, provider and channel of each, put together."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from gdemoi.cloud.channel_cloud import CloudChannel
from gdemoi.cloud.http import CloudHttp, make_agent
from gdemoi.cloud.provider import Provider
from gdemoi.cloud.settings import (
    CloudSettings,
    TextlocalSettings,
    TwilioSettings,
    TyntecSettings,
    VonageSettings,
)
from gdemoi.cloud.textlocal import Textlocal
from gdemoi.cloud.twilio import Twilio
from gdemoi.cloud.tyntec import Tyntec
from gdemoi.cloud.vonage_messages import VonageMessages
from gdemoi.cloud.vonage_signature import ApplicationTokens
from gdemoi.cloud.vonage_sms import VonageSms
from gdemoi.errors import ConfigurationError, OurFault
from gdemoi.interfaces import ChannelContext, ChannelKind


def provider_of(name: str, settings: CloudSettings) -> Provider:
    """Return the pure provider that the settings speak of."""
    if isinstance(settings, TwilioSettings):
        return Twilio(settings, name)
    if isinstance(settings, TextlocalSettings):
        return Textlocal(settings, name)
    if isinstance(settings, TyntecSettings):
        return Tyntec(settings, name)
    if not isinstance(settings, VonageSettings):
        raise OurFault(f"no provider for {type(settings).__name__}")
    if settings.api == "sms":
        return VonageSms(settings, name)
    tokens = None
    if settings.application_id is not None and settings.private_key is not None:
        try:
            pem = Path(settings.private_key).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as why:
            raise ConfigurationError(f"[vonage:{name}] private_key: {why}") from None
        tokens = ApplicationTokens(settings.application_id, pem)
        try:
            tokens.check()
        except OurFault as why:
            raise ConfigurationError(f"[vonage:{name}] private_key: {why}") from None
    return VonageMessages(settings, name, tokens)


def _maker(kind: str) -> Any:
    def make(
        name: str,
        settings: CloudSettings,
        parts: list[tuple[str, str, Any]],
        around: ChannelContext,
    ) -> CloudChannel:
        agent, pool = make_agent(around.reactor, settings.in_flight)
        http = CloudHttp(
            agent,
            around.clock,
            around.random,
            timeout_s=settings.timeout_s,
            in_flight=settings.in_flight,
            insecure=settings.insecure_http,
            close=pool.closeCachedConnections,
        )
        provider = provider_of(name, settings)
        return CloudChannel(kind, name, settings, provider, around, http)

    return make


KINDS: Final = (
    ChannelKind(name="twilio", settings=TwilioSettings, make=_maker("twilio")),
    ChannelKind(
        name="vonage",
        settings=VonageSettings,
        make=_maker("vonage"),
        aliases=("nexmo",),
    ),
    ChannelKind(name="textlocal", settings=TextlocalSettings, make=_maker("textlocal")),
    ChannelKind(name="tyntec", settings=TyntecSettings, make=_maker("tyntec")),
)
