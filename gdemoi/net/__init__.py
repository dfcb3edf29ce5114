"""Connections: which host and address is next, TLS, reconnecting, faults in words.

No protocol is known here; `reconnector` keeps one connection with a login, of any;
`bodies` bounds what an HTTP server reads.
"""
