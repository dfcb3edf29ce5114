"""The API against its own description, with requests that nobody thought of."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.http.openapi import document
from tests.http.gateway import parsed
from tests.http.memory import Whole

TOKEN = "open sesame"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
# What these do hangs on the configuration, and no schema tells it: numbers that are
# phone numbers, lines and verbs that there are.
CONFIGURED = [
    "POST /v1/messages",
    "POST /v1/explain",
    "POST /v1/channels/{name}/lines/{line}/{verb}",
    "GET /v1/trackers/{number}",
    "PUT /v1/trackers/{number}",
    "DELETE /v1/trackers/{number}",
    "GET /v1/trackers/{number}/sender",
    "PUT /v1/trackers/{number}/sender",
    "DELETE /v1/trackers/{number}/sender",
]
CHECKED = {
    # the same on every run
    "seed": 1,
    "headers": HEADERS,
    "generation": {"max-examples": 5, "deterministic": True, "database": "none"},
    "cache": {"enabled": False},
    # its requests do not go through WSGI; `AuthTests` asks every path
    "checks": {"ignored_auth": {"enabled": False}},
    "operations": [
        {
            "include-name": CONFIGURED,
            "checks": {"positive_data_acceptance": {"enabled": False}},
        },
        {
            # an array is answered 202, and each of its messages has its own answer;
            # one message is read as that of explain is
            "include-name": "POST /v1/messages",
            "checks": {"negative_data_rejection": {"enabled": False}},
        },
    ],
}


def complaints(whole: Whole) -> tuple[int, list[str]]:
    """Return how many answers were looked at, and what is wrong with them."""
    schema = schemathesis.openapi.from_wsgi(
        "/openapi.json",
        whole.wsgi,
        config=SchemathesisConfig.from_dict(CHECKED),
        headers=HEADERS,
    )
    count, found = 0, []
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            found.append(str(event.info))
        if isinstance(event, events.ScenarioFinished):
            recorder = event.recorder
            count += len(recorder.interactions)
            for checks in recorder.checks.values():
                found += [
                    _reported(one) for one in checks if one.failure_info is not None
                ]
    return count, found


def _reported(check: Any) -> str:
    info = check.failure_info
    return f"{check.name}: {info.failure.message}\n{info.code_sample}"


class DescriptionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.whole = Whole(TOKEN)
        self.addCleanup(self.whole.close)
        self.whole.live()

    def test_whatever_is_sent_the_answer_is_described(self) -> None:
        """No request of any shape is answered but as the description says.

        Not with a status, a type, a header or a body that it does not have, not with
        500, not with 2xx for what it forbids, and a wrong method with 405 and Allow.
        """
        count, wrong = complaints(self.whole)
        self.assertEqual(wrong, [])
        self.assertGreater(count, 500)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_every_path_is_described(self) -> None:
        """All but the status page; and nothing that is not there."""
        paths = {
            rule.rule.replace("<message_id>", "{id}").translate({60: "{", 62: "}"})
            for rule in self.whole.api.app.url_map.iter_rules()
        }
        self.assertEqual(
            paths - {"/", "/page.js", "/page/{name}"},
            set(document()["paths"]),
        )


class AuthTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.whole = Whole(TOKEN)
        self.addCleanup(self.whole.close)

    def status(self, method: str, path: str, **headers: str) -> int:
        target = path.replace("{", "").replace("}", "")
        asked = self.whole.asked(
            method.upper(), target, b"", {"host": "localhost"} | headers
        )
        return parsed(asked).status

    def test_each_operation_needs_the_token(self) -> None:
        """Without it and with another one 401, but for those described as open."""
        seen = set()
        for path, operations in document()["paths"].items():
            for method in operations.keys() - {"parameters"}:
                open_ = operations[method].get("security") == []
                for headers in ({}, {"authorization": "Bearer x"}):
                    status = self.status(method, path, **headers)
                    self.assertEqual(status != 401, open_, (method, path))
                    seen.add(open_)
        self.assertEqual(seen, {True, False})

    def test_unknown_parameters(self) -> None:
        """They are refused where the description says so, whatever the operation."""
        for path, operations in document()["paths"].items():
            for method in operations.keys() - {"parameters"}:
                target = path.replace("{", "").replace("}", "") + "?dry_run=1"
                status = parsed(self.whole.ask(method.upper(), target)).status
                strict = "422" in operations[method]["responses"]
                self.assertEqual(status == 422, strict, (method, path))

    def test_a_wrong_method_is_told_the_right_ones(self) -> None:
        """On every path, also one that HTTP does not know, and before the body."""
        for path, operations in document()["paths"].items():
            target = path.replace("{", "").replace("}", "")
            described = {one.upper() for one in operations.keys() - {"parameters"}}
            for method in ("TRACE", "OPTIONS", "PATCH", "BREW"):
                answer = parsed(self.whole.ask(method, target))
                self.assertEqual(answer.status, 405, (method, path))
                allowed = set(answer.headers["allow"].upper().split(", "))
                self.assertEqual(allowed - {"HEAD"}, described)
                self.assertEqual(answer.code, "gateway:method")
