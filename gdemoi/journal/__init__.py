"""The journal: the database of all messages, in SQLite or PostgreSQL.

In the order in which to read them:

* stored_form.py, message_state.py: what is remembered of a message, and what facts
  change in it (values, no database);
* transaction.py, message_cache.py: how facts become rows, and which messages are in
  memory; receipts.py, inbound_sms.py and expiry.py are the jobs beside;
* threads.py: group commit; journal.py: what the other packages call;
* queries.py: what is read; schema.py, database.py: tables, statements, connections;
* high_water_mark.py, faults.py: is it the journal that was left, is it whole, and why
  it cannot be opened.
"""

from gdemoi.journal.journal import Journal

__all__ = ["Journal"]
