"""SMS that keep SIMs from expiring: one when nothing left a line for too long.

It is a notification like any other: it goes by the routes, has events, counts in the
budget of its line, waits for quiet hours, and lives for a day.  Its id names the line
and the day, so that however often it is made, by whichever gateway, it is one message.
"""

from __future__ import annotations

from typing import Final

from gdemoi.contract.envelope import fingerprint
from gdemoi.kit.budgets import KeepAlive
from gdemoi.message import OnUnsure, Outbound

# The next day's is another one.
LIFE_S: Final = 86_400.0


def message_of(channel: str, due: KeepAlive, now: float) -> tuple[Outbound, bytes]:
    """Return the message for a line of a channel, and its fingerprint."""
    message = Outbound(
        id=f"keepalive-{channel}-{due.line}-{due.day}",
        to=due.to,
        text=due.text,
        from_=due.sender,
        channels=(channel,),
        accepted_at=now,
        expires_at=now + LIFE_S,
        on_unsure=OnUnsure.FAIL,
    )
    return message, fingerprint(message)
