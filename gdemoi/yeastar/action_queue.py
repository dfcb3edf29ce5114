"""One action at a time on one manager connection.

A TG serves the actions of a connection in order, a USSD code holding up the rest
for half a minute, and some firmware may not echo ActionID; so the next action is
written only when the last was answered, and an answer counts only for it.  Time
is an argument.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from attrs import define

from gdemoi.yeastar.ami import AmiBlock, action


class ActionPurpose(Enum):
    """What an action is for."""

    LOGIN = "login"
    PING = "ping"
    SEND = "send"
    SPANS = "gsm show spans"
    SPAN = "gsm show span"
    QUERY = "command"
    LOGOFF = "logoff"


@define(eq=False)
class Action:
    """An action, waiting or written; `about` is a ticket or a span."""

    purpose: ActionPurpose
    name: str
    headers: tuple[tuple[str, str], ...]
    limit_s: float
    about: int = 0
    id: str = ""


def sms_command(
    purpose: ActionPurpose, command: str, limit_s: float, about: int = 0
) -> Action:
    """Return the action that runs one command of the device."""
    return Action(purpose, "smscommand", (("command", command),), limit_s, about)


class ActionQueue:
    """The queue of actions, the one that is unanswered, and what to write."""

    def __init__(self) -> None:
        self.current: Action | None = None
        self.deadline: float | None = None
        self.answered_at = 0.0
        self._waiting: deque[Action] = deque()
        self._count = 0
        self._out = bytearray()

    def ask(self, *actions: Action) -> None:
        """Queue actions; `pump` writes each when its turn comes."""
        self._waiting += actions

    def forget(self, purpose: ActionPurpose, about: int) -> None:
        """Drop what is not written yet."""
        kept = [
            one for one in self._waiting if (one.purpose, one.about) != (purpose, about)
        ]
        self._waiting = deque(kept)

    def pump(self, now: float) -> Action | None:
        """Write the next action, if nothing is unanswered; return it."""
        if self.current is not None or not self._waiting:
            return None
        one = self._waiting.popleft()
        self._count += 1
        one.id = str(self._count)
        headers = one.headers
        if one.purpose is ActionPurpose.LOGIN:
            headers = (*headers, ("ActionID", one.id))
        else:
            headers = (("ActionID", one.id), *headers)
        self._out += action(one.name, headers)
        self.current = one
        self.deadline = now + one.limit_s
        return one

    def answered(self, block: AmiBlock, now: float) -> Action | None:
        """Return the action that a response answers; None: it answers none."""
        one = self.current
        echoed = block.get("actionid")
        if one is None or (echoed is not None and echoed.strip() != one.id):
            return None
        self.current = None
        self.deadline = None
        self.answered_at = now
        return one

    @property
    def idle(self) -> bool:
        """Whether nothing is unanswered and nothing waits."""
        return self.current is None and not self._waiting

    def outbox(self) -> bytes:
        """Return what to write now."""
        out = bytes(self._out)
        self._out.clear()
        return out
