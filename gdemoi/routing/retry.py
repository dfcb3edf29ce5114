"""What to do after an outcome: a pure decision.

A refusal certainly did not go out, so it may go another way or later; what is
unsure follows the message's own policy and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from gdemoi.life import Final, Held, Next, Submitted, Wait
from gdemoi.message import (
    Accepted,
    Error,
    OnUnsure,
    Outbound,
    Outcome,
    Refused,
    Scope,
    State,
    Unsure,
)
from gdemoi.routing.rules import first_able


@frozen(kw_only=True)
class RetryPolicy:
    """Numbers of the policy.

    `tries`: attempts that a temporary error may cost in all.  Pauses double from
    `first_s` to `last_s`.  `hold_s`: how long an unsure message is held before
    the platform is told `uncertain`.
    """

    tries: int = 6
    first_s: float = 15.0
    last_s: float = 600.0
    hold_s: float = 120.0

    def pause_s(self, attempt: int) -> float:
        """Return the pause after attempt number `attempt` (from 1)."""
        exponent = min(max(attempt, 1) - 1, 30)
        return min(self.last_s, self.first_s * 2.0**exponent)


def decide(
    message: Outbound,
    outcome: Outcome,
    tried: Sequence[str],
    attempts: int,
    ways: Sequence[str],
    unable: Callable[[str], str | None],
    now: float,
    policy: RetryPolicy,
) -> Next:
    """Return what follows `outcome` of the last channel in `tried`, the attempt
    number `attempts`.

    `ways` is the message's route as it is now; `unable` tells why a channel
    cannot send at the moment.
    """
    match outcome:
        case Accepted():
            return Submitted(final=not outcome.receipt_expected)
        case Unsure():
            return _after_unsure(
                message, outcome, tried, attempts, ways, unable, now, policy
            )
        case Refused():
            return _after_refusal(outcome, tried, attempts, ways, unable, now, policy)


def _after_unsure(
    message: Outbound,
    outcome: Unsure,
    tried: Sequence[str],
    attempts: int,
    ways: Sequence[str],
    unable: Callable[[str], str | None],
    now: float,
    policy: RetryPolicy,
) -> Next:
    error = Error("gateway:uncertain", outcome.why, retryable=False)
    if message.on_unsure is OnUnsure.FAIL:
        return Final(State.UNDELIVERED, error)
    if message.on_unsure is OnUnsure.RESEND and attempts < policy.tries:
        channel = first_able(ways, unable)
        until = now + policy.pause_s(attempts)
        if channel is not None and until < message.expires_at:
            return Wait(until, channel, error)
    return Held(now + policy.hold_s)


def _after_refusal(
    refused: Refused,
    tried: Sequence[str],
    attempts: int,
    ways: Sequence[str],
    unable: Callable[[str], str | None],
    now: float,
    policy: RetryPolicy,
) -> Next:
    here = tried[-1]
    if refused.throttled:
        # "slow down" is no verdict on the message: it keeps its place until it
        # expires; the lane knows how long to pause.
        return Wait(now + (refused.retry_after_s or 0.0), here, refused.error)
    if refused.scope is Scope.MESSAGE and not refused.error.retryable:
        return Final(State.REJECTED, refused.error)
    if refused.scope is Scope.MESSAGE:
        if attempts >= policy.tries:
            return Final(State.UNDELIVERED, refused.error)
        pause_s = refused.retry_after_s or policy.pause_s(attempts)
        return Wait(now + pause_s, here, refused.error)
    return _elsewhere(refused, tried, attempts, ways, unable, now, policy)


def _elsewhere(
    refused: Refused,
    tried: Sequence[str],
    attempts: int,
    ways: Sequence[str],
    unable: Callable[[str], str | None],
    now: float,
    policy: RetryPolicy,
) -> Next:
    """The channel is at fault: another able one at once, else the same later."""
    here = tried[-1]
    for name in ways:
        if name != here and unable(name) is None and name not in tried[-len(ways) :]:
            return Wait(now, name, refused.error)
    pause_s = refused.retry_after_s or policy.pause_s(attempts)
    return Wait(now + pause_s, here, refused.error)
