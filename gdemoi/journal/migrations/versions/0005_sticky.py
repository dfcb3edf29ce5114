"""Which channel, line and sender a tracker knows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sticky",
        sa.Column("account", sa.Text, primary_key=True),
        sa.Column("number", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("gone", sa.Integer, nullable=False),
        sa.Column("way", sa.LargeBinary, nullable=False),
    )
    op.create_index("sticky_version", "sticky", ["version"])
