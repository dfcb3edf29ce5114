"""HTTP doors: programs that speak Kannel or Jasmin, and platforms that are called.

`callbacks` is the one queue of all that goes out (receipts, inbound SMS, events):
read from the journal, tried again until it is taken, never forgotten.  `webhook` makes
signed requests of events.  `service` is all of it in one gateway.
"""
