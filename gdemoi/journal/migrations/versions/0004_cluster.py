"""Gateways that share a journal own its channels by leases, not its rows by name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = sa.Float(53)


def upgrade() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    indexes([])
    op.create_table(
        "gateways",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("life", sa.Text, nullable=False),
        sa.Column("up_since", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.Column("wishes", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text),
        sa.Column("report", sa.LargeBinary),
    )
    if postgresql:
        op.drop_index("events_owner", "events")
        join_counts()
        join_bookmarks()


def indexes(first: list[str]) -> None:
    """Make the two indexes of what is not over anew, with `first` in front."""
    for name, columns in (("deadline", []), ("lane", ["due", "rank", "n"])):
        op.drop_index(f"messages_{name}", "messages")
        there = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"messages_{name}",
            "messages",
            [*first, name, *columns],
            sqlite_where=there,
            postgresql_where=there,
        )


def join_counts() -> None:
    """How many messages stand in each state: of all gateways together."""
    op.execute(
        "INSERT INTO counters (name, value)"
        " SELECT 'state::' || split_part(name, ':', 3), sum(value) FROM counters"
        " WHERE name ~ '^state:[^:]+:' GROUP BY 1"
    )
    op.execute("DELETE FROM counters WHERE name ~ '^state:[^:]+:'")


def join_bookmarks() -> None:
    """One bookmark for all; of those of the broker the earliest, so that none is lost.

    Events that lie between it and another one's are published again, with the same
    event_id.
    """
    private = "name LIKE 'account:%' OR name LIKE 'alerts%' OR name LIKE 'beat%'"
    op.execute(
        "INSERT INTO cursors (owner, name, value) SELECT '', name,"
        " coalesce((min(value::bigint) FILTER (WHERE name = 'amqp'))::text, max(value))"
        f" FROM (SELECT * FROM cursors WHERE owner <> '' AND NOT ({private})) AS own"
        " GROUP BY name"
    )
    op.execute(f"DELETE FROM cursors WHERE owner <> '' AND NOT ({private})")


def downgrade() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    op.drop_table("leases")
    op.drop_table("gateways")
    indexes(["owner"])
    if postgresql:
        op.create_index("events_owner", "events", ["owner", "seq"])
