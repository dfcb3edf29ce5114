"""The contract with the platform: messages in, events out, as JSON and as values.

Nobody's room: AMQP, HTTP, the command line and the journal read and write the
same shapes.  docs/contract.rst and docs/events.rst tell them to users.
"""
