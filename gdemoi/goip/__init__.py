"""GoIP gateways: SMS over UDP, each SIM line a client of ours.

datagrams (bytes ↔ values) → session (the conversation, no I/O) → protocol (the
Twisted shell) → channel (settings and `IChannel`).  Beside the session: lines,
exchange, sender, orders, arrivals, receipts, choice, sources; each one idea.
Documents: "GOIP SMS Interface", and its 2015-10-28 edition, which is larger.
"""
