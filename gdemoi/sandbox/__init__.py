"""The far sides of gdemoi, for tests, the demo and people: nothing real is sent.

Each peer answers like the real thing and can be told to misbehave.  It uses the
lower layers of the gateway; no other package imports it.
"""
