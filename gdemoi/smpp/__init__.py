"""SMPP 3.4 and 3.3, the ESME's side: codec, session, protocol, channel.

The codec is the package `pdu`.
"""
