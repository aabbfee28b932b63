"""Named embedders side by side, audiences of articles, and indexes by tenant size."""

from __future__ import annotations

from deskwire_server.db.migrations.scripts import open_to_system, protect, run

revision = "0008"
down_revision = "0007"

SHARDS = 8
"""Groups of large tenants. Each has HNSW indexes of its own, so that a tenant shares them with few others."""
INDEXED_DIMENSIONS = (384, 768, 1024, 1536)
"""Vectors of other lengths are compared one by one."""

_AUDIENCES = """
ALTER TABLE articles
    ADD COLUMN audience_roles text[] NOT NULL DEFAULT '{}',
    ADD COLUMN audience_plans text[] NOT NULL DEFAULT '{}',
    ADD COLUMN audience_languages text[] NOT NULL DEFAULT '{}';
ALTER TABLE articles ADD COLUMN restricted boolean NOT NULL GENERATED ALWAYS AS
    (audience_roles <> '{}' OR audience_plans <> '{}' OR audience_languages <> '{}') STORED;
CREATE INDEX articles_restricted ON articles (tenant_id) WHERE restricted;
"""

_WORDS = """
-- Row-level security keeps an index on `search` from being used: whether a text matches is not a question that may be
-- asked of rows of others. So words have a B-tree of their own.
DROP INDEX chunks_search;
ALTER TABLE knowledge_stats ADD COLUMN next_number int NOT NULL DEFAULT 0;
ALTER TABLE chunks ADD COLUMN number int;
ALTER TABLE chunks SET (toast_tuple_target = 8160);

CREATE TABLE knowledge_postings (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    term text COLLATE "C" NOT NULL,
    -- Passages are numbered in each tenant; a block holds 512 numbers.
    block int NOT NULL,
    -- Of each passage with the term: its number in the block (two bytes), how often the term occurs in it (one byte,
    -- title and headings counted double), and its length in words by four (one byte).
    numbers bytea NOT NULL,
    frequencies bytea NOT NULL,
    lengths bytea NOT NULL,
    PRIMARY KEY (tenant_id, term, block)
);

CREATE FUNCTION knowledge_byte(p_value double precision) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, public AS $$
    SELECT set_byte('\\x00'::bytea, 0, greatest(1, least(255, p_value))::int)
$$;

-- Adds the words of passages to the postings.
CREATE FUNCTION knowledge_post(p_tenant uuid, p_articles uuid[]) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, public AS $$
    INSERT INTO public.knowledge_postings AS known (tenant_id, term, block, numbers, frequencies, lengths)
    SELECT p_tenant, lexeme, number / 512,
        string_agg(int2send((number % 512)::smallint), ''::bytea ORDER BY number),
        string_agg(public.knowledge_byte(frequency), ''::bytea ORDER BY number),
        string_agg(public.knowledge_byte(ceil(length / 4)), ''::bytea ORDER BY number)
    FROM (
        SELECT c.number, c.length, u.lexeme, cardinality(u.positions)
            + cardinality(array_positions(u.weights, 'A')) + cardinality(array_positions(u.weights, 'B')) AS frequency
        FROM public.chunks c, unnest(c.search) u
        WHERE c.tenant_id = p_tenant AND c.article_id = ANY (p_articles)
    ) word
    GROUP BY lexeme, number / 512 ORDER BY lexeme COLLATE "C", number / 512
    ON CONFLICT (tenant_id, term, block) DO UPDATE SET numbers = known.numbers || excluded.numbers,
        frequencies = known.frequencies || excluded.frequencies, lengths = known.lengths || excluded.lengths
$$;

-- Takes the words of passages out of the postings; to be called before the passages go.
CREATE FUNCTION knowledge_unpost(p_tenant uuid, p_articles uuid[]) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, public AS $$
    MERGE INTO public.knowledge_postings known USING (
        SELECT k.term, k.block, kept.numbers, kept.frequencies, kept.lengths
        FROM (
            SELECT lexeme, c.number / 512 AS block, array_agg(c.number % 512) AS gone
            FROM public.chunks c, unnest(tsvector_to_array(c.search)) lexeme
            WHERE c.tenant_id = p_tenant AND c.article_id = ANY (p_articles)
            GROUP BY lexeme, c.number / 512
        ) touched
        JOIN public.knowledge_postings k ON k.tenant_id = p_tenant AND k.term = touched.lexeme
            AND k.block = touched.block
        CROSS JOIN LATERAL (
            SELECT string_agg(substr(k.numbers, 2 * place - 1, 2), ''::bytea ORDER BY place) AS numbers,
                string_agg(substr(k.frequencies, place, 1), ''::bytea ORDER BY place) AS frequencies,
                string_agg(substr(k.lengths, place, 1), ''::bytea ORDER BY place) AS lengths
            FROM generate_series(1, length(k.frequencies)) place
            WHERE 256 * get_byte(k.numbers, 2 * place - 2) + get_byte(k.numbers, 2 * place - 1) <> ALL (touched.gone)
        ) kept
    ) rest ON known.tenant_id = p_tenant AND known.term = rest.term AND known.block = rest.block
    WHEN MATCHED AND rest.numbers IS NULL THEN DELETE
    WHEN MATCHED THEN UPDATE SET numbers = rest.numbers, frequencies = rest.frequencies, lengths = rest.lengths
$$;

-- For the same reason words are looked up by columns of their own rather than by functions of the word.
DROP INDEX knowledge_terms_by_word;
ALTER TABLE knowledge_terms
    ADD COLUMN initial text COLLATE "C" NOT NULL GENERATED ALWAYS AS (left(word, 1)) STORED,
    ADD COLUMN size int NOT NULL GENERATED ALWAYS AS (length(word)) STORED;
CREATE INDEX knowledge_terms_by_word ON knowledge_terms (tenant_id, initial, size);

ALTER TABLE chunks NO FORCE ROW LEVEL SECURITY;
ALTER TABLE knowledge_stats NO FORCE ROW LEVEL SECURITY;
ALTER TABLE knowledge_terms NO FORCE ROW LEVEL SECURITY;
UPDATE chunks c SET number = numbered.number FROM (
    SELECT tenant_id, id, row_number() OVER (PARTITION BY tenant_id ORDER BY article_id, position) - 1 AS number
    FROM chunks
) numbered WHERE numbered.tenant_id = c.tenant_id AND numbered.id = c.id;
UPDATE knowledge_stats s SET next_number = coalesce(
    (SELECT max(number) + 1 FROM chunks c WHERE c.tenant_id = s.tenant_id), 0);
SELECT knowledge_post(tenant_id, array_agg(DISTINCT article_id)) FROM chunks GROUP BY tenant_id;
ALTER TABLE chunks FORCE ROW LEVEL SECURITY;
ALTER TABLE knowledge_stats FORCE ROW LEVEL SECURITY;
ALTER TABLE knowledge_terms FORCE ROW LEVEL SECURITY;
ALTER TABLE chunks ALTER COLUMN number SET NOT NULL, ADD UNIQUE (tenant_id, number);
"""

_VECTORS = """
ALTER TABLE embeddings NO FORCE ROW LEVEL SECURITY;
ALTER TABLE chunks NO FORCE ROW LEVEL SECURITY;
-- Half precision costs no recall and halves what a comparison reads; plain, so that long ones lie in the row as well.
ALTER TABLE embeddings ALTER COLUMN embedding TYPE halfvec USING embedding::halfvec;
ALTER TABLE embeddings ALTER COLUMN embedding SET STORAGE PLAIN;
ALTER TABLE article_embeddings ALTER COLUMN embedding TYPE halfvec USING embedding::halfvec;
ALTER TABLE embeddings
    ADD COLUMN article_id uuid,
    ADD COLUMN dimensions int NOT NULL GENERATED ALWAYS AS (vector_dims(embedding)) STORED,
    -- Group of large tenants whose indexes hold the row; 0: in none.
    ADD COLUMN shard smallint NOT NULL DEFAULT 0;
UPDATE embeddings e SET article_id = c.article_id FROM chunks c WHERE c.tenant_id = e.tenant_id AND c.id = e.chunk_id;
ALTER TABLE embeddings ALTER COLUMN article_id SET NOT NULL;
CREATE INDEX embeddings_by_article ON embeddings (tenant_id, embedder, article_id);

CREATE TABLE knowledge_embedders (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name text NOT NULL,
    dimensions int NOT NULL CHECK (dimensions > 0),
    status text NOT NULL CHECK (status IN ('building', 'ready', 'active', 'retired')),
    -- Whether an administrator asked for it; one that came by the settings becomes active by itself.
    is_chosen boolean NOT NULL DEFAULT false,
    -- Group of large tenants that its vectors belong to, and whether all of them are in the group's index.
    shard smallint NOT NULL DEFAULT 0,
    is_indexed boolean NOT NULL DEFAULT false,
    -- Figures beside the embedder that was active then; numbers alone.
    comparison jsonb,
    -- Who works on it, and until when nobody else does.
    worker_id uuid,
    lease_until timestamptz,
    started_at timestamptz NOT NULL DEFAULT now(),
    ready_at timestamptz,
    activated_at timestamptz,
    PRIMARY KEY (tenant_id, name)
);
CREATE UNIQUE INDEX knowledge_embedders_active ON knowledge_embedders (tenant_id) WHERE status = 'active';
-- Until now the vectors of one embedder were all that search compared: the one that made the most.
INSERT INTO knowledge_embedders (tenant_id, name, dimensions, status, ready_at, activated_at)
SELECT DISTINCT ON (tenant_id) tenant_id, embedder, max(dimensions), 'active', now(), now()
FROM embeddings GROUP BY tenant_id, embedder ORDER BY tenant_id, count(*) DESC;
ALTER TABLE embeddings FORCE ROW LEVEL SECURITY;
ALTER TABLE chunks FORCE ROW LEVEL SECURITY;
"""

_LOOK_UP = """
-- What a search asks first: counts of the tenant's passages, in how many of them each term occurs, and the embedders
-- (name, dimensions, group) in the order of their use.
CREATE FUNCTION knowledge_look_up(p_tenant uuid, p_terms text[]) RETURNS TABLE (
    chunks int, length double precision, languages text[], terms text[], occurrences int[], spaces jsonb,
    has_restricted boolean)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public AS $$
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    RETURN QUERY
    SELECT s.chunks, s.length, s.languages, t.terms, t.occurrences, e.spaces,
        EXISTS (SELECT FROM public.articles a WHERE a.tenant_id = p_tenant AND a.restricted)
    FROM public.knowledge_stats s
    CROSS JOIN LATERAL (SELECT array_agg(k.term) AS terms, array_agg(k.chunks) AS occurrences
        FROM public.knowledge_terms k WHERE k.tenant_id = p_tenant AND k.term = ANY (p_terms)) t
    CROSS JOIN LATERAL (SELECT jsonb_agg(
            jsonb_build_array(k.name, k.dimensions, CASE WHEN k.is_indexed THEN k.shard ELSE 0 END)
            ORDER BY array_position(ARRAY['active', 'ready', 'building'], k.status), k.started_at) AS spaces
        FROM public.knowledge_embedders k WHERE k.tenant_id = p_tenant AND k.status <> 'retired') e
    WHERE s.tenant_id = p_tenant;
END $$;
"""


def upgrade() -> None:
    """Create all of it."""
    run(_AUDIENCES)
    run(_WORDS)
    protect("knowledge_postings")
    run(_VECTORS)
    protect("knowledge_embedders")
    run(_LOOK_UP)
    open_to_system("knowledge_embedders", "SELECT")
    run(
        "".join(
            f"CREATE INDEX embeddings_hnsw_{dimensions}_{shard} ON embeddings"
            f" USING hnsw ((embedding::halfvec({dimensions})) halfvec_ip_ops) WITH (m = 16, ef_construction = 64)"
            f" WHERE shard = {shard} AND dimensions = {dimensions};\n"
            for shard in range(1, SHARDS + 1)
            for dimensions in INDEXED_DIMENSIONS
        )
    )
