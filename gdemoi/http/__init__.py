"""The platform's side over HTTP: messages in, stories and events out.

Read `gateway` first (what this side asks of the gateway), then `api`.
"""
