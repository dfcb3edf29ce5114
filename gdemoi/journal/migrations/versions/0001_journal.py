"""The first journal: messages, outbox, receipts, inbound, bookmarks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.Float(53)


def upgrade() -> None:
    messages()
    receipts()
    op.create_table(
        "events",
        sa.Column("seq", KEY, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.create_index("events_owner", "events", ["owner", "seq"])
    inbound()
    op.create_table(
        "cursors",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )


def messages() -> None:
    op.create_table(
        "messages",
        sa.Column("n", KEY, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("channel", sa.Text),
        sa.Column("sender", sa.Text),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("accepted_at", TIME, nullable=False),
        sa.Column("lane", sa.Text),
        sa.Column("due", TIME, nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("deadline", TIME),
        sa.Column("message", sa.LargeBinary, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
    )
    op.create_index("messages_id", "messages", ["id"], unique=True)
    op.create_index(
        "messages_deadline",
        "messages",
        ["owner", "deadline"],
        sqlite_where=sa.text("deadline IS NOT NULL"),
        postgresql_where=sa.text("deadline IS NOT NULL"),
    )
    op.create_index("messages_recipient", "messages", ["recipient"])
    op.create_index(
        "messages_lane",
        "messages",
        ["owner", "lane", "due", "rank", "n"],
        sqlite_where=sa.text("lane IS NOT NULL"),
        postgresql_where=sa.text("lane IS NOT NULL"),
    )


def receipts() -> None:
    op.create_table(
        "provider_ids",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("account", sa.Text, primary_key=True),
        sa.Column("message", KEY, primary_key=True, autoincrement=False),
        sa.Column("provider_id", sa.Text, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "unmatched",
        sa.Column("n", KEY, primary_key=True, autoincrement=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("receipt", sa.LargeBinary, nullable=False),
    )
    op.create_index("unmatched_at", "unmatched", ["at"])
    op.create_table(
        "unmatched_keys",
        sa.Column("account", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("receipt", KEY, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )


def inbound() -> None:
    op.create_table(
        "arrivals",
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("dedup", sa.Text, primary_key=True),
        sa.Column("until", TIME, nullable=False),
        sa.Column("inbound_id", sa.Text, nullable=False),
    )
    op.create_index("arrivals_until", "arrivals", ["until"])
    op.create_table(
        "groups",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("deadline", TIME, nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("groups_deadline", "groups", ["deadline"])


def downgrade() -> None:
    for table in (
        "messages",
        "provider_ids",
        "unmatched",
        "unmatched_keys",
        "events",
        "arrivals",
        "groups",
        "cursors",
        "counters",
    ):
        op.drop_table(table)
