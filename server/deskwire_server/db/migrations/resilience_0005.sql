-- What a turn needs to outlive its worker: calls that were paid for are counted, those who watch elsewhere are known, and
-- what nobody may ask for any more goes.

ALTER TABLE turns
    -- When a stream on another worker than the turn's own was last seen to watch it.
    ADD COLUMN watched_at timestamptz,
    -- Newest attempt whose provider calls are all in `usage`.
    ADD COLUMN settled_attempt int NOT NULL DEFAULT 0;
ALTER TABLE usage
    -- Of an attempt that was lost with its worker, so that nobody knows what it really spent.
    ADD COLUMN estimated boolean NOT NULL DEFAULT false;

CREATE INDEX turns_by_end ON turns (tenant_id, finished_at) WHERE finished_at IS NOT NULL AND request_id <> id::text;
CREATE INDEX requests_by_time ON requests (tenant_id, created_at);
CREATE INDEX events_by_time ON events USING brin (created_at) WITH (pages_per_range = 32, autosummarize = on);

-- An attempt ended without its worker's word: another began, or the conversation went to somebody else. Its call is booked
-- as far as it is known; the worker replaces that by turn_settle if it lives.
CREATE FUNCTION turn_book_lost() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage (tenant_id, turn_id, attempt, user_id, provider, model, input_tokens, output_tokens,
                       cached_input_tokens, estimated)
    VALUES (OLD.tenant_id, OLD.id, OLD.attempt, OLD.user_id, coalesce(OLD.options->>'provider', ''),
            coalesce(OLD.options->>'model', ''), 0, ceil(length(OLD.checkpoint) / 4.0)::int, 0, true);
    RETURN NULL;
END $$;
CREATE TRIGGER turns_lost_attempt AFTER UPDATE OF attempt, state ON turns FOR EACH ROW
    WHEN (OLD.state = 'running' AND OLD.attempt > OLD.settled_attempt
          AND (NEW.attempt > OLD.attempt OR NEW.state <> 'running' AND NEW.cancel_reason = 'OWNER_CHANGED'))
    EXECUTE FUNCTION turn_book_lost();

-- Once a later attempt has ended, its own call tells what the same prompt costs, and who answers where nobody was named.
CREATE FUNCTION turn_complete_lost() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE usage l SET input_tokens = k.input_tokens, provider = coalesce(nullif(l.provider, ''), k.provider),
                       model = coalesce(nullif(l.model, ''), k.model)
    FROM (SELECT * FROM usage u WHERE u.tenant_id = NEW.tenant_id AND u.turn_id = NEW.id AND NOT u.estimated
          ORDER BY u.provider = 'builtin', u.attempt DESC, u.id LIMIT 1) k
    WHERE l.tenant_id = NEW.tenant_id AND l.turn_id = NEW.id AND l.estimated AND l.input_tokens = 0;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER turns_lost_completed AFTER UPDATE OF state ON turns DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.state = 'running' AND NEW.state <> 'running' AND NEW.attempt > 1)
    EXECUTE FUNCTION turn_complete_lost();

-- Keeps what an attempt has cost that could not end its turn: fenced, stopped, drained or failed. Asked again, it changes
-- nothing. An empty list says that the attempt made no call.
CREATE OR REPLACE FUNCTION turn_settle(p_tenant uuid, p_turn uuid, p_attempt int, p_usage jsonb)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE whose text;
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    UPDATE turns SET settled_attempt = greatest(settled_attempt, p_attempt)
    WHERE tenant_id = p_tenant AND id = p_turn RETURNING user_id INTO whose;
    DELETE FROM usage WHERE tenant_id = p_tenant AND turn_id = p_turn AND attempt = p_attempt AND estimated;
    INSERT INTO usage (tenant_id, turn_id, attempt, user_id, provider, model, input_tokens, output_tokens, cached_input_tokens)
    SELECT p_tenant, p_turn, p_attempt, whose, u->>'provider', u->>'model', (u->>'input_tokens')::int,
           (u->>'output_tokens')::int, (u->>'cached_input_tokens')::int
    FROM jsonb_array_elements(p_usage) u
    WHERE whose IS NOT NULL
      AND NOT EXISTS (SELECT FROM usage k WHERE k.tenant_id = p_tenant AND k.turn_id = p_turn AND k.attempt = p_attempt);
END $$;

-- How an attempt ended its turn, and the turn that waits behind it, for a worker whose own end was committed while the
-- answer to it was lost. No row when the turn was ended by somebody else, or not at all.
CREATE FUNCTION turn_ending(p_tenant uuid, p_turn uuid, p_worker uuid, p_attempt int)
RETURNS TABLE (sequence bigint, kind text, payload jsonb, created_at timestamptz, next_turn uuid, next_attempt int)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    RETURN QUERY SELECT e.sequence, e.kind, e.payload, e.created_at, n.id, coalesce(n.attempt, 0)
    FROM turns t
    JOIN events e ON e.tenant_id = t.tenant_id AND e.conversation_id = t.conversation_id AND e.turn_id = t.id
        AND e.sequence > t.first_sequence AND e.kind IN ('message_completed', 'turn_failed', 'turn_cancelled')
    LEFT JOIN LATERAL (SELECT q.id, q.attempt FROM turns q WHERE q.tenant_id = t.tenant_id
                       AND q.conversation_id = t.conversation_id AND q.state = 'queued'
                       ORDER BY q.first_sequence LIMIT 1) n ON true
    WHERE t.tenant_id = p_tenant AND t.id = p_turn AND t.worker_id = p_worker AND t.attempt = p_attempt
      AND t.state NOT IN ('queued', 'running');
END $$;

-- Says that somebody watches a conversation whose answer another worker writes.
CREATE FUNCTION turn_watched(p_tenant uuid, p_conversation uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    UPDATE turns SET watched_at = now()
    WHERE tenant_id = p_tenant AND conversation_id = p_conversation AND state = 'running';
END $$;

-- Seconds since somebody was seen to watch a turn from another worker; NULL when nobody ever was.
CREATE FUNCTION turn_unwatched_for(p_tenant uuid, p_turn uuid) RETURNS double precision LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    RETURN (SELECT extract(epoch FROM clock_timestamp() - watched_at) FROM turns WHERE tenant_id = p_tenant AND id = p_turn);
END $$;

-- The settings of one tenant.
CREATE FUNCTION tenant_settings(p_tenant uuid) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    RETURN (SELECT settings FROM tenants WHERE id = p_tenant);
END $$;

-- Tenants in the order of their ids, for the sweep below.
CREATE FUNCTION retention_tenants(p_after uuid, p_limit int) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT id FROM public.tenants WHERE p_after IS NULL OR id > p_after ORDER BY id LIMIT p_limit
$$;

-- Removes one batch of what a tenant keeps too long: events older than p_events (NULL: they stay) up to the first turn
-- that may still be asked for again, and request ids older than p_requests, which are free again after that. Messages and
-- turns stay. One sweep at a time over the whole database; no row when another is at it.
CREATE FUNCTION retention_sweep(p_tenant uuid, p_events interval, p_requests interval, p_batch int)
RETURNS TABLE (events int, turns int, requests int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
#variable_conflict use_column
DECLARE talk record; bound bigint; counted int; gone int := 0; freed int; forgotten int;
BEGIN
    IF NOT pg_try_advisory_xact_lock(7306365126934490704) THEN
        RETURN;
    END IF;
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    FOR talk IN
        SELECT old.conversation_id AS id, max(old.sequence) AS upto
        FROM (SELECT e.conversation_id, e.sequence FROM public.events e
              WHERE e.tenant_id = p_tenant AND e.created_at < now() - p_events LIMIT p_batch) old
        GROUP BY old.conversation_id
    LOOP
        PERFORM 1 FROM public.conversations c WHERE c.tenant_id = p_tenant AND c.id = talk.id FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        SELECT min(t.first_sequence) INTO bound FROM public.turns t
        WHERE t.tenant_id = p_tenant AND t.conversation_id = talk.id
          AND (t.finished_at IS NULL OR t.finished_at >= now() - p_requests);
        bound := least(talk.upto, bound - 1);
        DELETE FROM public.events e WHERE e.tenant_id = p_tenant AND e.conversation_id = talk.id AND e.sequence <= bound;
        GET DIAGNOSTICS counted = ROW_COUNT;
        gone := gone + counted;
        UPDATE public.conversations c SET earliest_sequence = bound + 1
        WHERE c.tenant_id = p_tenant AND c.id = talk.id AND c.earliest_sequence <= bound;
    END LOOP;
    -- The id of the turn itself takes the place: it is what a turn without a request id has anyway.
    UPDATE public.turns t SET request_id = t.id::text
    WHERE t.tenant_id = p_tenant AND t.id IN (
        SELECT o.id FROM public.turns o WHERE o.tenant_id = p_tenant AND o.finished_at IS NOT NULL
        AND o.finished_at < now() - p_requests AND o.request_id <> o.id::text LIMIT p_batch FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS freed = ROW_COUNT;
    DELETE FROM public.requests r WHERE r.tenant_id = p_tenant AND r.ctid = ANY (ARRAY(
        SELECT o.ctid FROM public.requests o WHERE o.tenant_id = p_tenant AND o.created_at < now() - p_requests LIMIT p_batch));
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN QUERY SELECT gone, freed, forgotten;
END $$;

REVOKE EXECUTE ON FUNCTION retention_tenants, retention_sweep FROM PUBLIC;
GRANT EXECUTE ON FUNCTION retention_tenants, retention_sweep TO deskwire_system;
