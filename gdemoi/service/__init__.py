"""The gateway as a process: `tap` (twistd), `assembly` (the whole as one service).

`gateway` is the running gateway as HTTP and AMQP see it, `logs` the log.
"""
