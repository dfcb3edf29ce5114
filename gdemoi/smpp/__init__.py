"""SMPP 3.4 and 3.3, the ESME's side: codec, session, protocol, channel.

Codec: `wire`, `pdus` (with `pdus_table`), `tlvs`, `statuses`, `framing`, `receipts`.
"""
