"""``POST /v1/messages`` (docs/http.rst): messages in, answered after their commit.

A platform that sends one message a request asks this thousands of times a second, and
nothing else so often.  So it is a plain resource of Twisted in front of the routes of
`gdemoi.http.api`: no routing, no coroutine, one Deferred, the journal's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from gdemoi.contract.envelope import fingerprint, parse_many
from gdemoi.contract.gateway import Gateway
from gdemoi.contract.trace_context import HEADER, traceparent
from gdemoi.errors import InvalidMessage, Unavailable
from gdemoi.facts import AcceptResult, Duplicate, IdReused, Rejected, Stored
from gdemoi.http.answers import (
    Problem,
    QueryParameters,
    answer,
    error_of,
    error_of_invalid,
    error_of_refusal,
    refuse_fault,
    unexpected,
)
from gdemoi.http.metrics import Metrics
from gdemoi.message import Outbound
from gdemoi.tasks import unattended

log = Logger()

PATH: Final = b"/v1/messages"

# a message as it came, or why it is none, with its answer: (status, JSON)
Parsed = Outbound | InvalidMessage
Answers = list[tuple[int, Any]]


class MessageIntakeResource(Resource):
    """Takes messages: one, or up to 1000."""

    isLeaf = True

    def __init__(self, gateway: Gateway, metrics: Metrics) -> None:
        super().__init__()
        self._gateway = gateway
        self._metrics = metrics

    def render_POST(self, request: IRequest) -> Any:
        """Take the messages of a body; the answer follows."""
        try:
            return self._take(request)
        except (Problem, InvalidMessage, Unavailable) as fault:
            return refuse_fault(request, fault)
        except Exception:  # noqa: BLE001 - the boundary of one request
            log.failure("POST /v1/messages failed")
            return answer(request, unexpected(), 500)

    def _take(self, request: IRequest) -> Any:
        if b"?" in request.uri:
            QueryParameters(request, ())
        gateway = self._gateway
        body: bytes = request.content.read()
        parsed = parse_many(
            body,
            defaults=gateway.defaults,
            now=gateway.seconds(),
            traceparent=traceparent(request.getHeader(HEADER)),
        )
        batch = [
            (message, fingerprint(message))
            for message in parsed
            if isinstance(message, Outbound)
        ]
        many = body.lstrip().startswith(b"[")
        if not batch:
            return self._answered(request, parsed, many, ())
        accepting = gateway.accept(batch)
        answered = accepting.addCallback(
            self._accepted, request, parsed, many
        ).addErrback(self._failed, request)
        unattended(answered, log, "answering POST /v1/messages")
        return NOT_DONE_YET

    def _answered(
        self,
        request: IRequest,
        parsed: Sequence[Parsed],
        many: bool,
        verdicts: Sequence[AcceptResult | Rejected],
    ) -> bytes:
        """Return the body of the answer, and set its headers."""
        verdict = iter(verdicts)
        answers: Answers = [
            (422, error_of_invalid(message))
            if isinstance(message, InvalidMessage)
            else _answer(message.id, next(verdict))
            for message in parsed
        ]
        self._metrics.took(answers)
        if many:
            return answer(request, [one for _, one in answers], 202)
        status, one = answers[0]
        return answer(request, one, status)

    def _accepted(
        self,
        verdicts: Sequence[AcceptResult | Rejected],
        request: IRequest,
        parsed: Sequence[Parsed],
        many: bool,
    ) -> None:
        _finish(request, self._answered(request, parsed, many, verdicts))

    def _failed(self, failure: Failure, request: IRequest) -> None:
        fault = failure.value
        if isinstance(fault, Unavailable):
            _finish(request, refuse_fault(request, fault))
            return
        log.failure("POST /v1/messages failed", failure)
        _finish(request, answer(request, unexpected(), 500))


def _finish(request: Any, body: bytes) -> None:
    if request.channel is None:
        # the client has gone; what it sent is in the journal
        return
    request.setHeader(b"content-length", b"%d" % len(body))
    request.write(body)
    request.finish()


def _answer(message_id: str, verdict: AcceptResult | Rejected) -> tuple[int, Any]:
    match verdict:
        case Stored(tracker=tracker):
            if tracker is None:
                return 202, {"id": message_id, "state": "accepted"}
            looked_at = {"profile": tracker.profile, "findings": tracker.findings}
            return 202, {"id": message_id, "state": "accepted", **looked_at}
        case Duplicate():
            return 200, {
                "id": message_id,
                "state": "duplicate",
                "current": verdict.state,
            }
        case IdReused():
            reused = error_of("id_reused", "this id was used for another content", "id")
            return 422, {"id": message_id, **reused}
        case Rejected():
            return 422, {"id": message_id, **error_of_refusal(verdict.error)}
