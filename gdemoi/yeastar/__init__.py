"""Yeastar (Neogate) TG gateways: SMS over an Asterisk manager connection.

ami and percent (bytes ↔ values) → session (the conversation, no I/O) → protocol
(the Twisted shell) → channel (`IChannel`).  Beside the session, each one idea:
answers (what the device prints), arrivals (received SMS), ports (which SIM is
next), dialogue (one action at a time), texts (a message made into commands).

Obeys Yeastar's "TG Series API" pages; what real devices do beside them is said
where it is used.
"""
