"""Feedback on answers, and how satisfied the users of conversations are."""

from __future__ import annotations

from deskwire_server.db.migrations.scripts import protect, run

revision = "0003"
down_revision = "0002"

_TABLES = """
CREATE TABLE feedback (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT uuidv7(),
    conversation_id uuid NOT NULL,
    message_id uuid NOT NULL,
    user_id text NOT NULL,
    sentiment text NOT NULL CHECK (sentiment IN ('positive', 'negative')),
    rating smallint CHECK (rating BETWEEN 1 AND 5),
    comment text NOT NULL DEFAULT '',
    categories text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    -- One of a user on an answer. Message first: the answers of a page look for theirs.
    UNIQUE (tenant_id, message_id, user_id),
    FOREIGN KEY (tenant_id, conversation_id) REFERENCES conversations ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, message_id) REFERENCES messages ON DELETE CASCADE
);
CREATE INDEX feedback_by_time ON feedback (tenant_id, created_at DESC, id DESC);
CREATE INDEX feedback_by_user ON feedback (tenant_id, user_id, created_at DESC, id DESC);
CREATE INDEX feedback_by_conversation ON feedback (tenant_id, conversation_id);

ALTER TABLE conversations
    ADD COLUMN satisfaction_rating smallint CHECK (satisfaction_rating BETWEEN 1 AND 5),
    ADD COLUMN satisfaction_rated_at timestamptz;
CREATE INDEX conversations_by_rating_time ON conversations (tenant_id, satisfaction_rated_at)
    WHERE satisfaction_rating IS NOT NULL;
"""


def upgrade() -> None:
    """Create all of it."""
    run(_TABLES)
    protect("feedback")
