"""Intents with examples, trained heads, and query patterns."""

from __future__ import annotations

from deskwire_server.db.migrations.scripts import open_to_system, protect, run

revision = "0007"
down_revision = "0006"

_TABLES = """
CREATE TABLE intents (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT uuidv7(),
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    examples text[] NOT NULL DEFAULT '{}',
    actions jsonb NOT NULL DEFAULT '[]',
    version int NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);

CREATE TABLE intent_trainings (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT uuidv7(),
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'succeeded', 'failed')),
    attempt int NOT NULL DEFAULT 0,
    worker_id uuid,
    lease_until timestamptz,
    progress real NOT NULL DEFAULT 0,
    step text NOT NULL DEFAULT '',
    error text NOT NULL DEFAULT '',
    report jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX intent_trainings_waiting ON intent_trainings (tenant_id) WHERE state = 'queued';

-- Those that wait or run, without content: workers look here for what to do, whichever tenant it belongs to.
CREATE TABLE runnable_trainings (
    tenant_id uuid NOT NULL,
    training_id uuid NOT NULL,
    lease_until timestamptz,
    PRIMARY KEY (tenant_id, training_id),
    FOREIGN KEY (tenant_id, training_id) REFERENCES intent_trainings ON DELETE CASCADE
);
CREATE FUNCTION runnable_training_follow() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF NEW.state IN ('queued', 'running') THEN
        INSERT INTO runnable_trainings (tenant_id, training_id, lease_until)
        VALUES (NEW.tenant_id, NEW.id, NEW.lease_until)
        ON CONFLICT (tenant_id, training_id) DO UPDATE SET lease_until = excluded.lease_until;
    ELSE
        DELETE FROM runnable_trainings WHERE tenant_id = NEW.tenant_id AND training_id = NEW.id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER runnable_training_follow AFTER INSERT OR UPDATE ON intent_trainings
    FOR EACH ROW EXECUTE FUNCTION runnable_training_follow();

-- What a training made. The one of the latest successful training answers.
CREATE TABLE intent_heads (
    tenant_id uuid NOT NULL,
    training_id uuid NOT NULL,
    embedder text NOT NULL,
    data bytea NOT NULL,
    actions jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, training_id),
    FOREIGN KEY (tenant_id, training_id) REFERENCES intent_trainings ON DELETE CASCADE
);
ALTER TABLE intent_heads ALTER COLUMN data SET STORAGE EXTERNAL;

-- Vectors of examples, so that training again after a small change is quick. Keys are hashes of the text.
CREATE TABLE intent_vectors (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    embedder text NOT NULL,
    text_hash bytea NOT NULL,
    vector bytea NOT NULL,
    PRIMARY KEY (tenant_id, embedder, text_hash)
);

-- Vectors of users' questions, made when patterns are asked for.
CREATE TABLE question_vectors (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    embedder text NOT NULL,
    vector bytea NOT NULL,
    PRIMARY KEY (tenant_id, message_id, embedder),
    FOREIGN KEY (tenant_id, message_id) REFERENCES messages ON DELETE CASCADE
);
"""

_PROTECTED = (
    "intents", "intent_trainings", "runnable_trainings", "intent_heads", "intent_vectors", "question_vectors"
)  # fmt: skip


def upgrade() -> None:
    """Create all of it."""
    run(_TABLES)
    for table in _PROTECTED:
        protect(table)
    open_to_system("runnable_trainings", "SELECT")
