"""SMPP 3.4 and 3.3, the ESME's side: codec, session, protocol, channel.

`pdu` is the codec; `session` the state machine, without input and output; `protocol`
its Twisted shell; `channel` and its `channel_*` modules make a channel of it.  Beside
them are the values in between: `encoder` and `submit_attempts` on the way out,
`receipts` and `inbound` on the way in, `error_codes` for both.
"""
