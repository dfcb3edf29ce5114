"""The Vonage kind: which of its two APIs, and the key of an application.

It makes `VonageMessages` or `VonageSms`; both are pure, the key's file is read here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gdemoi.cloud.provider import Provider, ProviderKind
from gdemoi.cloud.vonage.account import VonageSettings
from gdemoi.cloud.vonage.messages import VonageMessages
from gdemoi.cloud.vonage.signature import ApplicationTokens
from gdemoi.cloud.vonage.sms import VonageSms
from gdemoi.errors import ConfigurationError, OurFault


def make(settings: VonageSettings, channel: str) -> Provider[VonageSettings]:
    """Return the provider of the API that the settings choose."""
    if settings.api == "sms":
        return VonageSms(settings, channel)
    return VonageMessages(settings, channel, _tokens_of(settings, channel))


def _tokens_of(settings: VonageSettings, channel: str) -> ApplicationTokens | None:
    """Return what signs requests, None without an application.

    Raises `ConfigurationError` when the key cannot be read or cannot sign.
    """
    if settings.application_id is None or settings.private_key is None:
        return None
    try:
        pem = Path(settings.private_key).read_text(encoding="ascii")
        tokens = ApplicationTokens(settings.application_id, pem)
        tokens.check()
    except (OSError, UnicodeDecodeError, OurFault) as why:
        raise ConfigurationError(f"[vonage:{channel}] private_key: {why}") from None
    return tokens


KIND: Final = ProviderKind("vonage", VonageSettings, make, aliases=("nexmo",))
