"""The journal: the truth about every message, on SQLite or PostgreSQL.

Read `record` first (what facts do to a message), then `transaction` (how that becomes
rows), `known` (which messages are in memory), `writer` and `worker` (group
commit), and `journal` (what the house calls).
"""

from gdemoi.journal.journal import Journal

__all__ = ["Journal"]
