"""Articles, their passages, their vectors, and the words that a tenant's articles use."""

from __future__ import annotations

from deskwire_server.db.migrations.scripts import protect, run

revision = "0002"
down_revision = "0001"

_TABLES = """
CREATE TABLE articles (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT uuidv7(),
    source_path text,
    title text NOT NULL CHECK (title <> ''),
    summary text NOT NULL DEFAULT '',
    content text NOT NULL,
    category text NOT NULL DEFAULT '',
    tags text[] NOT NULL DEFAULT '{}',
    language text NOT NULL DEFAULT '',
    url text NOT NULL DEFAULT '',
    -- Of the document as it came, with all that decides what becomes of it. NULL for articles written by hand.
    content_hash bytea,
    passage_count int NOT NULL DEFAULT 0,
    version int NOT NULL DEFAULT 1,
    published_at timestamptz,
    -- When the content was last changed, by the document's own word where it gives one.
    changed_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, source_path)
);
CREATE INDEX articles_by_title ON articles (tenant_id, lower(title), id);
CREATE INDEX articles_by_category ON articles (tenant_id, category);

CREATE TABLE chunks (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT uuidv7(),
    article_id uuid NOT NULL,
    position int NOT NULL,
    -- Characters of the article's content, the end exclusive.
    start_offset int NOT NULL,
    end_offset int NOT NULL CHECK (end_offset > start_offset),
    heading_path text[] NOT NULL DEFAULT '{}',
    -- Stems: A title, B headings, C summary, D text.
    search tsvector NOT NULL,
    -- Words, those of title and headings counted by their weight.
    length real NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, article_id, position),
    FOREIGN KEY (tenant_id, article_id) REFERENCES articles ON DELETE CASCADE
);
CREATE INDEX chunks_search ON chunks USING gin (search);

-- Vectors belong to the embedder that made them; dimensions differ from one to the other.
CREATE TABLE embeddings (
    tenant_id uuid NOT NULL,
    embedder text NOT NULL,
    chunk_id uuid NOT NULL,
    embedding vector NOT NULL,
    -- One vector a sentence, packed: only passages that are candidates already are compared sentence by sentence.
    sentences bytea NOT NULL,
    PRIMARY KEY (tenant_id, embedder, chunk_id),
    FOREIGN KEY (tenant_id, chunk_id) REFERENCES chunks ON DELETE CASCADE
);
ALTER TABLE embeddings ALTER COLUMN sentences SET STORAGE EXTERNAL;
CREATE INDEX embeddings_by_chunk ON embeddings (tenant_id, chunk_id);

CREATE TABLE article_embeddings (
    tenant_id uuid NOT NULL,
    embedder text NOT NULL,
    article_id uuid NOT NULL,
    embedding vector NOT NULL,
    PRIMARY KEY (tenant_id, embedder, article_id),
    FOREIGN KEY (tenant_id, article_id) REFERENCES articles ON DELETE CASCADE
);
CREATE INDEX article_embeddings_by_article ON article_embeddings (tenant_id, article_id);

-- In how many passages each stem occurs, and the shortest word that has it.
CREATE TABLE knowledge_terms (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    term text COLLATE "C" NOT NULL,
    word text COLLATE "C" NOT NULL,
    chunks int NOT NULL,
    PRIMARY KEY (tenant_id, term)
);
CREATE INDEX knowledge_terms_by_word ON knowledge_terms (tenant_id, left(word, 1), length(word));

-- Its row is locked by every change of the tenant's passages, so that the counts agree with them.
CREATE TABLE knowledge_stats (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    chunks int NOT NULL DEFAULT 0,
    length double precision NOT NULL DEFAULT 0,
    languages text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id)
);
"""

_TENANT_TABLES = ("articles", "chunks", "embeddings", "article_embeddings", "knowledge_terms", "knowledge_stats")


def upgrade() -> None:
    """Create all of it."""
    run(_TABLES)
    for table in _TENANT_TABLES:
        protect(table)
