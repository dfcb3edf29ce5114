"""The platform's side over AMQP 0-9-1: envelopes in, events out.

Read `envelope` first (the JSON of a message, pure), then `ingress` and `events`;
`client` and its neighbours are the AMQP machinery under them.
"""
