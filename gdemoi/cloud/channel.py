"""The cloud kinds: a new provider is one file, or one folder, and one name here."""

from __future__ import annotations

from typing import Any, Final

from gdemoi.cloud.channel_cloud import CloudChannel
from gdemoi.cloud.http import CloudHttp, make_agent
from gdemoi.cloud.provider import ProviderKind
from gdemoi.cloud.settings import CloudSettings
from gdemoi.cloud.textlocal import KIND as TEXTLOCAL
from gdemoi.cloud.twilio.provider import KIND as TWILIO
from gdemoi.cloud.tyntec import KIND as TYNTEC
from gdemoi.cloud.vonage.provider import KIND as VONAGE
from gdemoi.interfaces import ChannelContext, ChannelKind

PROVIDERS: Final[tuple[ProviderKind, ...]] = (TWILIO, VONAGE, TEXTLOCAL, TYNTEC)


def channel_kind(provider: ProviderKind) -> ChannelKind:
    """Return the kind whose channels send through a provider."""

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
        made = provider.make(settings, name)
        return CloudChannel(provider.name, name, settings, made, around, http)

    return ChannelKind(
        name=provider.name,
        settings=provider.settings,
        make=make,
        aliases=provider.aliases,
    )


KINDS: Final = tuple(map(channel_kind, PROVIDERS))
