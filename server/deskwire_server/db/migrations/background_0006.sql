-- Background work is asked for in the transaction of its cause. The application role may do only that: it sees no job.

-- Asks for work on a conversation. While the same work waits, the job that waits takes over the newer turn; while it
-- runs, it is told to run once more. Runs as the owner, for the tenant of the transaction alone.
CREATE FUNCTION job_enqueue(p_kind text, p_tenant uuid, p_conversation uuid, p_turn uuid, p_priority int)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF p_tenant IS DISTINCT FROM nullif(current_setting('deskwire.tenant_id', true), '')::uuid THEN
        RAISE insufficient_privilege USING MESSAGE = 'work may be asked for in the own tenant only';
    END IF;
    INSERT INTO jobs.pgqueuer AS job (priority, entrypoint, payload, dedupe_key, status)
    VALUES (p_priority, p_kind,
            convert_to(json_build_object('tenant_id', p_tenant, 'conversation_id', p_conversation, 'turn_id', p_turn)::text, 'UTF8'),
            p_kind || '/' || p_tenant || '/' || p_conversation, 'queued')
    ON CONFLICT (dedupe_key)
        WHERE status = ANY (ARRAY['queued'::jobs.pgqueuer_status, 'picked'::jobs.pgqueuer_status]) AND dedupe_key IS NOT NULL
    DO UPDATE SET payload = excluded.payload,
        headers = CASE WHEN job.status = 'picked' THEN '{"again": true}'::jsonb ELSE job.headers END;
END $$;

-- The events of a tenant in one order that is safe under concurrent commits: by the number of the transaction that wrote
-- them, read only up to the oldest one that still runs. A transaction may get its number before it gets hold of the
-- conversation, so an event takes the number of the one before it where that is higher: the events of a conversation
-- stay in the order of their sequence. A number taken over is never lower than the own one, so nothing appears behind
-- a reader.
CREATE FUNCTION event_place() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE before xid8;
BEGIN
    SELECT e.transaction_id INTO before FROM events e
    WHERE e.tenant_id = NEW.tenant_id AND e.conversation_id = NEW.conversation_id AND e.sequence = NEW.sequence - 1;
    IF before > NEW.transaction_id THEN
        NEW.transaction_id := before;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER event_place BEFORE INSERT ON events FOR EACH ROW WHEN (NEW.sequence > 1) EXECUTE FUNCTION event_place();
CREATE INDEX events_of_tenant ON events (tenant_id, transaction_id, conversation_id, sequence);

-- The last of a tenant's events that retention removed: a cursor before it has lost some. Events that went with their
-- whole conversation do not count.
CREATE TABLE removed_events (
    tenant_id uuid PRIMARY KEY REFERENCES tenants ON DELETE CASCADE,
    transaction_id xid8 NOT NULL,
    conversation_id uuid NOT NULL,
    sequence bigint NOT NULL
);

CREATE FUNCTION events_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO removed_events AS known (tenant_id, transaction_id, conversation_id, sequence)
    SELECT DISTINCT ON (g.tenant_id) g.tenant_id, g.transaction_id, g.conversation_id, g.sequence
    FROM gone g JOIN conversations c ON c.tenant_id = g.tenant_id AND c.id = g.conversation_id
    ORDER BY g.tenant_id, g.transaction_id DESC, g.conversation_id DESC, g.sequence DESC
    ON CONFLICT (tenant_id) DO UPDATE SET transaction_id = excluded.transaction_id,
        conversation_id = excluded.conversation_id, sequence = excluded.sequence
    WHERE (known.transaction_id, known.conversation_id, known.sequence)
        < (excluded.transaction_id, excluded.conversation_id, excluded.sequence);
    RETURN NULL;
END $$;
CREATE TRIGGER events_removed AFTER DELETE ON events REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION events_removed();

-- A page of a tenant's settled events behind a place, at least one row. `horizon` is the oldest transaction that still
-- runs: a page that is not full reaches up to it. `newest` is the next number that a transaction gets. `expired` tells
-- that events behind the place are gone. Payloads of kinds that are not asked for are left out; no kinds mean all.
CREATE FUNCTION tenant_events_after(
    p_tenant uuid, p_transaction xid8, p_conversation uuid, p_sequence bigint, p_kinds text[], p_limit int)
RETURNS TABLE (horizon xid8, newest xid8, expired boolean, transaction_id xid8, conversation_id uuid, sequence bigint,
               turn_id uuid, kind text, payload jsonb, created_at timestamptz, user_id text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE settled xid8; upcoming xid8;
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    settled := pg_snapshot_xmin(pg_current_snapshot());
    upcoming := pg_snapshot_xmax(pg_current_snapshot());
    RETURN QUERY SELECT settled, upcoming,
        EXISTS (SELECT FROM removed_events r WHERE r.tenant_id = p_tenant
                AND (r.transaction_id, r.conversation_id, r.sequence) > (p_transaction, p_conversation, p_sequence)),
        found.*
    FROM (VALUES (1)) AS always LEFT JOIN (
        SELECT e.transaction_id, e.conversation_id, e.sequence, e.turn_id, e.kind,
            CASE WHEN cardinality(p_kinds) = 0 OR e.kind = ANY (p_kinds) THEN e.payload END,
            e.created_at, c.user_id
        FROM events e JOIN conversations c ON c.tenant_id = e.tenant_id AND c.id = e.conversation_id
        WHERE e.tenant_id = p_tenant AND e.transaction_id < settled
          AND (e.transaction_id, e.conversation_id, e.sequence) > (p_transaction, p_conversation, p_sequence)
        ORDER BY e.transaction_id, e.conversation_id, e.sequence LIMIT p_limit) AS found ON true
    ORDER BY found.transaction_id, found.conversation_id, found.sequence;
END $$;

-- Makes the events of a database that was restored into another cluster readable: their transactions have numbers that
-- the new cluster has not reached yet. Called by the owner, once, before anybody writes.
CREATE FUNCTION events_after_restore() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    ALTER TABLE events NO FORCE ROW LEVEL SECURITY;
    ALTER TABLE removed_events NO FORCE ROW LEVEL SECURITY;
    IF EXISTS (SELECT FROM events e WHERE e.transaction_id >= pg_snapshot_xmax(pg_current_snapshot())) THEN
        UPDATE events SET transaction_id = '3';
        DELETE FROM removed_events;
    END IF;
    ALTER TABLE events FORCE ROW LEVEL SECURITY;
    ALTER TABLE removed_events FORCE ROW LEVEL SECURITY;
END $$;
