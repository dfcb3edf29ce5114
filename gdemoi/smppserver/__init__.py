"""The SMPP door: an SMSC for clients that speak SMPP already.

`settings` is what an operator says; `session` one conversation, without I/O, and
`protocol` its shell; `submits` turns requests into messages, `receipts` events into
deliver_sm; `clients` is who may bind, `deliveries` what waits for them; `service` puts
it together.  The PDUs are those of `gdemoi.smpp.pdu`.
"""
