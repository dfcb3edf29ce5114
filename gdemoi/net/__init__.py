"""Connections: which host and address is next, TLS, reconnecting, faults in words.

No protocol is known here; `reconnector` keeps one connection with a login, of any;
`regulated` reads no faster than it is read; `port` opens one of ours again and again;
`bodies` bounds what an HTTP server reads.
"""
