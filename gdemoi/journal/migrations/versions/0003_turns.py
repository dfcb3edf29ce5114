"""Commands that later ones to their number wait for, over all channels."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.Float(53)


def upgrade() -> None:
    turns = op.create_table(
        "turns",
        sa.Column("n", KEY, primary_key=True, autoincrement=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("until", TIME),
        sa.Column("begun", sa.Integer, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.create_index("turns_recipient", "turns", ["recipient"])
    until = sa.column("until").is_not(None)
    op.create_index(
        "turns_until",
        "turns",
        ["until"],
        sqlite_where=until,
        postgresql_where=until,
    )
    op.create_table(
        "sequences",
        sa.Column("queue", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("until", TIME, nullable=False),
    )
    op.create_index("sequences_until", "sequences", ["until"])
    waiting(turns)


def waiting(turns: sa.Table) -> None:
    """Let the commands that wait now hold their numbers, one chunk at a time."""
    messages = sa.table(
        "messages",
        *(sa.column(name) for name in ("n", "id", "state", "recipient", "lane")),
        sa.column("deadline"),
        sa.column("message", sa.LargeBinary),
    )
    m, bind = messages.c, op.get_bind()
    after = -1
    while True:
        rows = bind.execute(
            sa.select(m.n, m.id, m.recipient, m.lane, m.message)
            .where(m.n > after, m.deadline.is_not(None))
            .where(m.state.in_(("accepted", "waiting")))
            .order_by(m.n)
            .limit(500)
        ).all()
        if not rows:
            return
        after = rows[-1][0]
        held = []
        for n, id_, recipient, lane, body in rows:
            message = json.loads(bytes(body))
            if message.get("class", "notification") != "notification":
                held.append(
                    {
                        "n": n,
                        "recipient": recipient,
                        "id": id_,
                        "since": message.get("not_before") or 0.0,
                        "until": None,
                        # what stands in no backlog is under way, or held
                        "begun": int(lane is None),
                    }
                )
        if held:
            bind.execute(turns.insert(), held)
