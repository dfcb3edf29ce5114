"""GoIP gateways: SMS over UDP, each SIM line a client of ours.

=================  ========================================================
codec              `datagrams`: octets ↔ values, phone numbers
session (no I/O)   `session` speaks with all devices of one UDP port;
                   `sender` runs its exchanges, `exchange` is one of them;
                   `lines`: state and choice of the SIM lines;
                   `inbound`, `receipts`: what devices send unasked;
                   `session_events`: what the session reports
protocol           `protocol`: socket and timer of a session
channel            `channel`, `channel_memory`, with `settings`, `encoded`
                   (message → exchange) and `outcomes` (the way back)
=================  ========================================================

Documents: "GOIP SMS Interface", and its 2015-10-28 edition, which is larger.
"""
