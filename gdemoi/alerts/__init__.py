"""Alerts of the gateway's own: what is watched, when it is told, and to whom.

Modules: `conditions` (the words of `when`, and what each reads out of one look at the
gateway), `settings` (``[alert:NAME]``), `watch` (which alerts are on: pure, time is an
argument), `notices` (an event, a webhook, a command, an SMS), `service` (looks every
few seconds; the one place where alerts are evaluated).  docs/monitoring.rst, "Alerts".
"""
