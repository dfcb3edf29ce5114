"""Yeastar (Neogate) TG gateways: SMS over an Asterisk manager connection.

=================  ========================================================
codec              `ami`: blocks and actions, the text of an SMS in them;
                   `commands`: what is asked of a device, what it prints
session (no I/O)   `session` is the conversation on one connection; `jobs`:
                   its SMS; `ports`: the SIMs, which is next and how they
                   are polled; `inbound`: received SMS;
                   `session_events`: what the session reports
protocol           `protocol`: transport and timer of a session
channel            `channel`, `channel_spool`, with `settings` and `encoded`
                   (message → commands)
=================  ========================================================

Obeys Yeastar's "TG Series API" pages; what real devices do beside them is said
where it is used.
"""
