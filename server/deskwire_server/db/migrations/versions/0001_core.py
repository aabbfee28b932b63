"""Tenants, users, conversations, turns, messages, events, and what keeps calls idempotent."""

from __future__ import annotations

from importlib.resources import files

from deskwire_server.db.migrations.scripts import TENANT, open_to_system, protect, run

revision = "0001"
down_revision = None

_TABLES = """
CREATE TABLE tenants (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    name text NOT NULL,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    settings jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    user_id text NOT NULL,
    display_name text NOT NULL DEFAULT '',
    email text NOT NULL DEFAULT '',
    role text NOT NULL CHECK (role IN ('user', 'agent', 'admin', 'service')),
    attributes jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id)
);

CREATE TABLE conversations (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT uuidv7(),
    user_id text NOT NULL,
    session_id text,
    visitor_id text NOT NULL DEFAULT '',
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'completed', 'abandoned', 'blocked')),
    title text NOT NULL DEFAULT '',
    title_is_set boolean NOT NULL DEFAULT false,
    name text NOT NULL DEFAULT '',
    email text NOT NULL DEFAULT '',
    phone text NOT NULL DEFAULT '',
    company text NOT NULL DEFAULT '',
    tags text[] NOT NULL DEFAULT '{}',
    metadata jsonb NOT NULL DEFAULT '{}',
    owner_kind text NOT NULL DEFAULT 'bot' CHECK (owner_kind IN ('bot', 'agent')),
    owner_token bigint NOT NULL DEFAULT 1,
    last_sequence bigint NOT NULL DEFAULT 0,
    earliest_sequence bigint NOT NULL DEFAULT 1,
    message_count int NOT NULL DEFAULT 0,
    version int NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX conversations_session ON conversations (tenant_id, user_id, session_id)
    WHERE session_id IS NOT NULL;
CREATE INDEX conversations_by_user ON conversations (tenant_id, user_id, updated_at DESC, id DESC);
CREATE INDEX conversations_by_activity ON conversations (tenant_id, updated_at DESC, id DESC);

CREATE TABLE turns (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    user_id text NOT NULL,
    request_id text NOT NULL,
    request_hash bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('queued', 'running', 'completed', 'failed', 'cancelled', 'interrupted')),
    attempt int NOT NULL DEFAULT 0,
    worker_id uuid,
    first_sequence bigint NOT NULL,
    question_id uuid NOT NULL,
    answer_id uuid NOT NULL,
    options jsonb NOT NULL DEFAULT '{}',
    context jsonb NOT NULL DEFAULT '{}',
    cancel_reason text,
    failure text,
    checkpoint text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, user_id, request_id),
    FOREIGN KEY (tenant_id, conversation_id) REFERENCES conversations ON DELETE CASCADE
);
CREATE INDEX turns_by_conversation ON turns (tenant_id, conversation_id, id);
CREATE INDEX turns_active ON turns (tenant_id, conversation_id, first_sequence) WHERE state IN ('queued', 'running');

CREATE TABLE messages (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    turn_id uuid NOT NULL,
    parent_id uuid,
    role text NOT NULL CHECK (role IN ('user', 'assistant', 'agent', 'system')),
    text text NOT NULL,
    state text NOT NULL DEFAULT 'complete' CHECK (state IN ('complete', 'cancelled', 'failed')),
    sequence bigint NOT NULL,
    request_id text NOT NULL DEFAULT '',
    details jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, conversation_id) REFERENCES conversations ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, turn_id) REFERENCES turns ON DELETE CASCADE
);
CREATE UNIQUE INDEX messages_in_order ON messages (tenant_id, conversation_id, sequence);

CREATE TABLE events (
    tenant_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    sequence bigint NOT NULL,
    turn_id uuid,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, conversation_id, sequence),
    FOREIGN KEY (tenant_id, conversation_id) REFERENCES conversations ON DELETE CASCADE
);

-- One row a provider call that was really made.
CREATE TABLE usage (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT uuidv7(),
    turn_id uuid NOT NULL,
    attempt int NOT NULL,
    user_id text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    input_tokens int NOT NULL,
    output_tokens int NOT NULL,
    cached_input_tokens int NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, turn_id) REFERENCES turns ON DELETE CASCADE
);
CREATE INDEX usage_by_turn ON usage (tenant_id, turn_id);

CREATE TABLE requests (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    user_id text NOT NULL,
    method text NOT NULL,
    request_id text NOT NULL,
    request_hash bytea NOT NULL,
    resource_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id, method, request_id)
);

-- Content-free tables that the system role sees across tenants.
CREATE TABLE runnable_turns (
    tenant_id uuid NOT NULL,
    turn_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    worker_id uuid,
    attempt int NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, turn_id),
    FOREIGN KEY (tenant_id, turn_id) REFERENCES turns ON DELETE CASCADE
);
CREATE INDEX runnable_turns_by_worker ON runnable_turns (worker_id);

CREATE TABLE workers (
    id uuid PRIMARY KEY,
    lease_until timestamptz NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE revoked_tokens (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    token_id text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, token_id)
);
"""

_TENANT_FUNCTIONS = f"""
-- Finds a tenant by its slug; runs as the owner because nobody has a tenant set yet.
CREATE FUNCTION tenant_find(p_slug text) RETURNS TABLE (id uuid, status text, settings jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT t.id, t.status, t.settings FROM public.tenants t WHERE t.slug = p_slug
$$;

-- Makes a tenant unless it is there. Called by the server only where the demo secret signs the tokens.
CREATE FUNCTION tenant_ensure(p_slug text) RETURNS TABLE (id uuid, status text, settings jsonb)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    INSERT INTO public.tenants (slug, name) VALUES (p_slug, p_slug) ON CONFLICT (slug) DO NOTHING;
    SELECT t.id, t.status, t.settings FROM public.tenants t WHERE t.slug = p_slug
$$;

CREATE POLICY tenant ON tenants USING (id = {TENANT}) WITH CHECK (id = {TENANT});
CREATE POLICY owner ON tenants TO CURRENT_USER USING (true) WITH CHECK (true);
"""


_ROLES = """
DO $$ DECLARE role_name text; BEGIN
    FOREACH role_name IN ARRAY ARRAY['deskwire_app', 'deskwire_system'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS', role_name);
        END IF;
    END LOOP;
END $$;
GRANT USAGE ON SCHEMA public TO deskwire_app, deskwire_system;
"""

_GRANTS = """
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
GRANT SELECT, UPDATE (settings) ON tenants TO deskwire_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON workers TO deskwire_system;
GRANT SELECT ON alembic_version TO deskwire_app, deskwire_system;
REVOKE EXECUTE ON FUNCTION tenant_find, tenant_ensure FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenant_find, tenant_ensure TO deskwire_app;
"""

_TENANT_TABLES = (
    "users",
    "conversations",
    "turns",
    "messages",
    "events",
    "usage",
    "requests",
    "runnable_turns",
    "revoked_tokens",
)


def upgrade() -> None:
    """Create all of it."""
    run("CREATE EXTENSION IF NOT EXISTS vector")
    run(_ROLES)
    run(_TABLES)
    run(_TENANT_FUNCTIONS)
    for table in _TENANT_TABLES:
        protect(table)
    open_to_system("runnable_turns", "SELECT, UPDATE (worker_id)")
    open_to_system("revoked_tokens", "SELECT, DELETE")
    run(files("deskwire_server.db.migrations").joinpath("turn_functions_0001.sql").read_text())
    run(_GRANTS)
