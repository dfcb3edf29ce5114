"""The kinds of channels there are.

A new kind is one package (or one pure cloud file) and one name here.
"""

from __future__ import annotations

from typing import Final

from gdemoi.cloud.channel import KINDS as CLOUDS
from gdemoi.goip.channel import KIND as GOIP
from gdemoi.interfaces import ChannelKind
from gdemoi.smpp.channel import KIND as SMPP
from gdemoi.yeastar.channel import KIND as YEASTAR

KINDS: Final[tuple[ChannelKind, ...]] = (SMPP, GOIP, YEASTAR, *CLOUDS)
