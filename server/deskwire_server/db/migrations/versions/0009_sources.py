"""Sites as sources of articles, and questions that found no answer."""

from __future__ import annotations

from deskwire_server.db.migrations.scripts import open_to_system, protect, run

revision = "0009"
down_revision = "0008"

_TABLES = """
CREATE TABLE sources (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT uuidv7(),
    name text NOT NULL,
    url text NOT NULL,
    sitemap_url text NOT NULL DEFAULT '',
    category text NOT NULL DEFAULT '',
    tags text[] NOT NULL DEFAULT '{}',
    max_pages int NOT NULL,
    sync_seconds int NOT NULL,
    failed boolean NOT NULL DEFAULT false,
    -- What the last synchronisation did, in the shape of the server's `SyncReport`; null before the first.
    report jsonb,
    version int NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);

CREATE TABLE source_pages (
    tenant_id uuid NOT NULL,
    source_id uuid NOT NULL,
    url text NOT NULL,
    article_id uuid,
    etag text NOT NULL DEFAULT '',
    last_modified text NOT NULL DEFAULT '',
    outcome text NOT NULL CHECK (outcome IN ('taken', 'skipped', 'failed')),
    reason text NOT NULL DEFAULT '',
    message text NOT NULL DEFAULT '',
    checked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, source_id, url),
    FOREIGN KEY (tenant_id, source_id) REFERENCES sources ON DELETE CASCADE
);

-- When each source is due, and who is at it. Content-free: the system role sees it across tenants.
CREATE TABLE source_syncs (
    tenant_id uuid NOT NULL,
    source_id uuid NOT NULL,
    due_at timestamptz,
    refetch boolean NOT NULL DEFAULT false,
    worker_id uuid,
    lease_until timestamptz,
    attempt int NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, source_id),
    FOREIGN KEY (tenant_id, source_id) REFERENCES sources ON DELETE CASCADE
);
CREATE INDEX source_syncs_due ON source_syncs (due_at) WHERE due_at IS NOT NULL;

-- Whether an answer says that it does not know, or is unsure of what it says. Small talk is no question.
CREATE FUNCTION answer_is_unsure(m messages) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT m.role = 'assistant' AND m.state = 'complete' AND m.details IS NOT NULL
       AND (m.details ->> 'grounded' = 'false' OR (m.details ->> 'confidence')::float8 < 0.35)
       AND coalesce(m.details ->> 'intent', '') NOT IN ('greeting', 'gratitude', 'goodbye', 'human_wanted')
$$;
CREATE INDEX messages_unsure ON messages (tenant_id, created_at) WHERE answer_is_unsure(messages);

CREATE TABLE knowledge_gaps (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT uuidv7(),
    question text NOT NULL,
    -- Half floats, for the embedder of this name; empty without one.
    embedder text NOT NULL,
    vector bytea NOT NULL,
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed')),
    article_id uuid,
    first_asked_at timestamptz NOT NULL,
    last_asked_at timestamptz NOT NULL,
    closed_at timestamptz,
    checked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX knowledge_gaps_open ON knowledge_gaps (tenant_id, status, last_asked_at DESC);

-- Questions that were looked at; without a gap those that say nothing.
CREATE TABLE gap_questions (
    tenant_id uuid NOT NULL,
    turn_id uuid NOT NULL,
    gap_id uuid,
    conversation_id uuid NOT NULL,
    answer_id uuid NOT NULL,
    user_id text NOT NULL,
    text text NOT NULL,
    asked_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, turn_id),
    FOREIGN KEY (tenant_id, gap_id) REFERENCES knowledge_gaps ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, conversation_id) REFERENCES conversations ON DELETE CASCADE
);
CREATE INDEX gap_questions_by_gap ON gap_questions (tenant_id, gap_id, asked_at DESC);
"""


def upgrade() -> None:
    """Create all of it."""
    run(_TABLES)
    for table in ("sources", "source_pages", "source_syncs", "knowledge_gaps", "gap_questions"):
        protect(table)
    open_to_system("source_syncs", "SELECT, UPDATE (worker_id, lease_until, attempt)")
