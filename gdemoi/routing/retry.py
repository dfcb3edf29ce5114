"""What to do after an outcome: a pure decision (docs/contract.rst, "The ini file").

A refusal certainly did not go out, so it may go another way or later; what is
unsure follows the message's own policy and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from gdemoi.facts import Decision, Final, Hold, Submitted, Wait
from gdemoi.message import (
    Accepted,
    Error,
    MessageState,
    OnUnsure,
    Outbound,
    Outcome,
    Refused,
    Scope,
    Uncertain,
)
from gdemoi.routing.rules import first_able


@frozen(kw_only=True)
class RetryPolicy:
    """Numbers of the policy.

    `tries`: attempts that a temporary error may cost in all.  Pauses double from
    `first_s` to `last_s`.  `hold_s`: how long an unsure message is held before
    the platform is told `uncertain`.  `resends`: how often a message may be sent
    again because nobody knew what became of it (`on_unsure = resend`), with pauses
    that double from `resend_first_s`.
    """

    tries: int = 6
    first_s: float = 15.0
    last_s: float = 600.0
    hold_s: float = 120.0
    resends: int = 2
    resend_first_s: float = 5.0

    def pause_s(self, attempt: int) -> float:
        """Return the pause after attempt number `attempt` (from 1)."""
        exponent = min(max(attempt, 1) - 1, 30)
        return min(self.last_s, self.first_s * 2.0**exponent)

    def resend_pause_s(self, uncertain_attempts: int) -> float:
        """Return the pause after so many uncertain attempts (from 1)."""
        return self.resend_first_s * 2.0 ** (max(uncertain_attempts, 1) - 1)


def _any_channel(_name: str) -> bool:
    return True


@frozen
class Situation:
    """What a decision about one message rests on.

    `tried` are the channels so far, the last one being that of the outcome; `attempts`
    is its number; `uncertain_attempts` counts those that ended unsure, this one
    included.  `ways` is the message's route as it is now; `unable` tells why a channel
    cannot send at the moment.  `rest_only`: parts of it have left over the last
    channel, and nothing but the missing ones may follow.  `carries` tells whether a
    channel would take the message as it is, its sender included.
    """

    message: Outbound
    tried: Sequence[str]
    attempts: int
    ways: Sequence[str]
    unable: Callable[[str], str | None]
    now: float
    policy: RetryPolicy
    uncertain_attempts: int = 0
    rest_only: bool = False
    carries: Callable[[str], bool] = _any_channel

    def pause_s(self) -> float:
        """Return the policy's pause after this attempt."""
        return self.policy.pause_s(self.attempts)

    def tries_left(self) -> bool:
        """Whether the policy allows another attempt."""
        return self.attempts < self.policy.tries


def after_unsure(outcome: Uncertain, known: Situation) -> Decision:
    """Return what follows when nobody knows: what the message itself says.

    The policies are those of docs/contract.rst, "Classes and policies".

    Each resend may be one SMS more on the phone, so their number has a limit of
    its own: a far side that hangs up at every submit would get all `tries`.
    """
    message = known.message
    error = Error("gateway:uncertain", outcome.why, retryable=False)
    if message.on_unsure is OnUnsure.FAIL:
        return Final(MessageState.UNDELIVERED, error)
    if (
        message.on_unsure is OnUnsure.RESEND
        and known.uncertain_attempts <= known.policy.resends
    ):
        channel = _way_again(outcome, known)
        until = known.now + known.policy.resend_pause_s(known.uncertain_attempts)
        if channel is not None and until < message.expires_at:
            return Wait(until, channel, error)
    return Hold(known.now + known.policy.hold_s)


def _way_again(outcome: Uncertain, known: Situation) -> str | None:
    """Return the channel for another try of what may have gone out.

    What has left in part goes on where it stood: a phone joins only what bears one
    reference.
    """
    here = known.tried[-1]
    if known.rest_only:
        return here if here in known.ways else None
    stays = outcome.progress is not None and here in known.ways
    if stays and known.unable(here) is None:
        return here
    return first_able(known.ways, known.unable)


def after_refusal(refused: Refused, known: Situation) -> Decision:
    """Return what follows when the message certainly did not go out."""
    here, now, error = known.tried[-1], known.now, refused.error
    if refused.throttled:
        # "slow down" is no verdict on the message: it keeps its place until it
        # expires; the lane knows how long to pause.
        return Wait(now + (refused.retry_after_s or 0.0), here, error)
    pause_s = refused.retry_after_s or known.pause_s()
    if refused.scope is Scope.SENDER:
        return _without_sender(refused, known, now + pause_s)
    if refused.queue_full:
        # no verdict either: the phone may be off for hours
        return Wait(now + pause_s, here, error)
    if refused.scope is Scope.MESSAGE:
        return _refused_itself(error, known, now + pause_s)
    if known.rest_only:
        return Wait(now + pause_s, here, error)
    # The channel is at fault: another able one at once, else the same later.
    lately = known.tried[-len(known.ways) :]
    for name in known.ways:
        if name not in lately and known.unable(name) is None:
            return Wait(now, name, error)
    return Wait(now + pause_s, here, error)


def _refused_itself(error: Error, known: Situation, until: float) -> Decision:
    """Return what follows a refusal that is about the message."""
    if error.code == "gateway:expired":
        return Final(MessageState.EXPIRED, error)
    if not error.retryable:
        return Final(MessageState.REJECTED, error)
    if not known.tries_left():
        return Final(MessageState.UNDELIVERED, error)
    return Wait(until, known.tried[-1], error)


def _without_sender(refused: Refused, known: Situation, until: float) -> Decision:
    """Return what follows when the sender is refused here: another channel.

    One that is down at the moment will do: the message is good.  A sender that
    may be used again soon is waited for rather than such a channel.
    """
    here, error = known.tried[-1], refused.error
    others = [name for name in known.ways if name != here and known.carries(name)]
    there = None if known.rest_only else first_able(others, known.unable)
    if error.retryable and (there is None or known.unable(there) is not None):
        return Wait(until, here, error)
    if there is not None:
        return Wait(known.now, there, error)
    return Final(MessageState.REJECTED, error)


def decide(outcome: Outcome, known: Situation) -> Decision:
    """Return what follows `outcome`."""
    match outcome:
        case Accepted():
            return Submitted(final=not outcome.receipt_expected)
        case Uncertain():
            return after_unsure(outcome, known)
        case Refused():
            return after_refusal(outcome, known)
