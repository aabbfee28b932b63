"""Branches of a conversation, and its owner's fencing token in every step of a turn."""

from __future__ import annotations

from importlib.resources import files

from deskwire_server.db.migrations.scripts import run

revision = "0004"
down_revision = "0003"

_TABLES = """
ALTER TABLE turns
    ADD COLUMN parent_turn_id uuid,
    ADD COLUMN owner_token bigint NOT NULL DEFAULT 1,
    -- What an agent says answers no question.
    ALTER COLUMN question_id DROP NOT NULL;
ALTER TABLE conversations
    ADD COLUMN head_turn_id uuid,
    ADD COLUMN owner_user_id text;
-- Serves whoever looks for all turns of a conversation, too.
CREATE INDEX turns_by_parent ON turns (tenant_id, conversation_id, parent_turn_id);
DROP INDEX turns_by_conversation;
CREATE INDEX turns_by_user ON turns (tenant_id, user_id, created_at DESC);
"""

_BACKFILL = """
-- The owner of the tables sees the rows of every tenant only while their policies do not bind it.
ALTER TABLE turns NO FORCE ROW LEVEL SECURITY;
ALTER TABLE conversations NO FORCE ROW LEVEL SECURITY;
UPDATE turns t SET parent_turn_id = o.before
FROM (SELECT tenant_id, id, lag(id) OVER (PARTITION BY tenant_id, conversation_id ORDER BY first_sequence) AS before
      FROM turns) o
WHERE o.tenant_id = t.tenant_id AND o.id = t.id AND o.before IS NOT NULL;
UPDATE conversations c SET head_turn_id = o.id
FROM (SELECT DISTINCT ON (tenant_id, conversation_id) tenant_id, conversation_id, id
      FROM turns ORDER BY tenant_id, conversation_id, first_sequence DESC) o
WHERE o.tenant_id = c.tenant_id AND o.conversation_id = c.id;
ALTER TABLE turns FORCE ROW LEVEL SECURITY;
ALTER TABLE conversations FORCE ROW LEVEL SECURITY;
"""

# Before the first ANALYZE the planner takes a tenant for one row, so that any index which begins with it looks as good
# as the primary key, and plans of pooled connections keep that. It is told the opposite until it knows better.
_STATISTICS = """
SELECT pg_restore_attribute_stats(
    'schemaname', current_schema()::text, 'relname', relname::text, 'attname', 'tenant_id', 'inherited', false,
    'null_frac', 0::real, 'avg_width', 16, 'n_distinct', 1::real)
FROM pg_class
WHERE oid = ANY ('{turns, messages, events, conversations, usage, runnable_turns}'::regclass[]) AND reltuples < 0;
"""


def upgrade() -> None:
    """Create all of it."""
    run(_TABLES)
    run(_BACKFILL)
    run(_STATISTICS)
    run(files("deskwire_server.db.migrations").joinpath("turn_functions_0004.sql").read_text())
