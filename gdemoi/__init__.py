"""gdemoi: the SMS gateway for GPS-tracking platforms.

docs/architecture.rst shows the whole, and where to find what.

The journal is the truth, everything else is a conversation.  Imports go down
only; `tests/test_layers.py` keeps it so:

layer 0  words and data      message, facts, errors, interfaces, contract, ini,
                             text
layer 1  protocols as values smpp, goip, yeastar, cloud (codec and session),
                             amqp.mapping: bytes and `now` in, events out
layer 2  shells              net, tasks, journal, the protocol modules
layer 3  channels            the channel modules and kinds
layer 4  routing             rules, retry, lanes, dispatcher
layer 5  the platform's side amqp, http
layer 6  assembly            alerts, settings, service, cli
beside   sandbox             the far sides, for tests, the demo and people
"""
