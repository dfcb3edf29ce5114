"""The SMPP codec: PDUs as values, and as octets (SMPP 3.4 §3 to §5).

`pdus` (encode, decode, answer) is what others use; `commands` has the PDU classes,
`headers` their header and command numbers, `wire` the types of their fields, `tlvs`
the optional parameters, `statuses` the values of command_status; `framing` cuts a
stream into PDUs.  Nothing here knows of sessions, settings or messages.
"""
