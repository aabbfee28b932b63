-- The hot path of a turn: one function a step. Each sets the tenant for its own transaction and, called as a single
-- statement, commits by itself. All run with the caller's rights, under row-level security.

-- A message as events and lists carry it.
CREATE FUNCTION message_json(m messages) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object(
        'id', m.id, 'conversation_id', m.conversation_id, 'turn_id', m.turn_id, 'parent_id', m.parent_id,
        'role', m.role, 'text', m.text, 'state', m.state, 'sequence', m.sequence, 'request_id', m.request_id,
        'details', m.details, 'created_at', m.created_at)
$$;

-- Takes the next place in a conversation. Holds the conversation's row until the transaction ends, so places are gapless.
CREATE FUNCTION event_append(p_tenant uuid, p_conversation uuid, p_turn uuid, p_kind text, p_payload jsonb)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE place bigint;
BEGIN
    UPDATE conversations SET last_sequence = last_sequence + 1, updated_at = now()
    WHERE tenant_id = p_tenant AND id = p_conversation RETURNING last_sequence INTO place;
    INSERT INTO events (tenant_id, conversation_id, sequence, turn_id, kind, payload)
    VALUES (p_tenant, p_conversation, place, p_turn, p_kind, p_payload);
    RETURN place;
END $$;

-- Writes a message together with the event that brings it in.
CREATE FUNCTION message_append(
    p_tenant uuid, p_conversation uuid, p_turn uuid, p_id uuid, p_parent uuid, p_role text, p_text text, p_state text,
    p_request_id text, p_details jsonb, p_kind text, p_payload jsonb)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE written messages; place bigint;
BEGIN
    UPDATE conversations SET last_sequence = last_sequence + 1, message_count = message_count + 1, updated_at = now()
    WHERE tenant_id = p_tenant AND id = p_conversation RETURNING last_sequence INTO place;
    INSERT INTO messages (tenant_id, id, conversation_id, turn_id, parent_id, role, text, state, sequence, request_id, details)
    VALUES (p_tenant, p_id, p_conversation, p_turn, p_parent, p_role, p_text, p_state, place, p_request_id, p_details)
    RETURNING * INTO written;
    INSERT INTO events (tenant_id, conversation_id, sequence, turn_id, kind, payload)
    VALUES (p_tenant, p_conversation, place, p_turn, p_kind,
            jsonb_set(p_payload, ARRAY[CASE WHEN p_state = 'complete' THEN 'message' ELSE 'partial' END], message_json(written)));
    RETURN place;
END $$;

-- Ends a turn that has not begun.
CREATE FUNCTION turn_end_queued(p_tenant uuid, p_conversation uuid, p_turn uuid, p_state text, p_reason text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE turns SET state = p_state, cancel_reason = p_reason, finished_at = now()
    WHERE tenant_id = p_tenant AND id = p_turn AND state = 'queued';
    IF FOUND THEN
        DELETE FROM runnable_turns WHERE tenant_id = p_tenant AND turn_id = p_turn;
        PERFORM event_append(p_tenant, p_conversation, p_turn, 'turn_cancelled', jsonb_build_object('reason', p_reason));
    END IF;
END $$;

-- Accepts a message: after this commits it can't be lost. Outcomes: accepted, joined (the request id was here before
-- with the same body), reused (with another body), missing (no such conversation for this user), closed, running
-- (an answer runs and the message asked to be refused then).
CREATE FUNCTION turn_accept(
    p_tenant uuid, p_user text, p_sees_all boolean, p_conversation uuid, p_session text, p_new jsonb,
    p_turn uuid, p_question uuid, p_answer uuid, p_request_id text, p_request_hash bytea, p_text text, p_title text,
    p_options jsonb, p_context jsonb, p_while_answering text, p_worker uuid)
RETURNS TABLE (outcome text, conversation_id uuid, turn_id uuid, question_id uuid, answer_id uuid, state text,
               attempt int, first_sequence bigint, queue_position int, interrupted uuid[], parent_id uuid,
               accepted_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    known turns; talk conversations; waiting int; place bigint; previous uuid; stopped uuid[] := '{}'; other record;
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    PERFORM pg_advisory_xact_lock(hashtextextended(p_tenant::text || '/' || p_user || '/' || p_request_id, 0));
    SELECT * INTO known FROM turns t WHERE t.tenant_id = p_tenant AND t.user_id = p_user AND t.request_id = p_request_id;
    IF FOUND THEN
        RETURN QUERY SELECT CASE WHEN known.request_hash = p_request_hash THEN 'joined' ELSE 'reused' END,
            known.conversation_id, known.id, known.question_id, known.answer_id, known.state, known.attempt,
            known.first_sequence, 0, stopped, NULL::uuid, known.created_at;
        RETURN;
    END IF;

    IF p_conversation IS NOT NULL THEN
        SELECT * INTO talk FROM conversations c
        WHERE c.tenant_id = p_tenant AND c.id = p_conversation AND (p_sees_all OR c.user_id = p_user) FOR UPDATE;
        IF NOT FOUND THEN
            RETURN QUERY SELECT 'missing', NULL::uuid, NULL::uuid, NULL::uuid, NULL::uuid, '', 0, 0::bigint, 0, stopped, NULL::uuid, now();
            RETURN;
        END IF;
    ELSE
        IF p_session IS NOT NULL THEN
            SELECT * INTO talk FROM conversations c
            WHERE c.tenant_id = p_tenant AND c.user_id = p_user AND c.session_id = p_session FOR UPDATE;
        END IF;
        IF talk.id IS NULL THEN
            talk := conversation_insert(p_tenant, p_user, p_session, p_new);
        END IF;
    END IF;
    IF talk.status <> 'active' THEN
        RETURN QUERY SELECT 'closed', talk.id, NULL::uuid, NULL::uuid, NULL::uuid, talk.status, 0, 0::bigint, 0, stopped, NULL::uuid, now();
        RETURN;
    END IF;

    SELECT count(*) INTO waiting FROM turns t
    WHERE t.tenant_id = p_tenant AND t.conversation_id = talk.id AND t.state IN ('queued', 'running');
    IF waiting > 0 AND p_while_answering = 'refuse' THEN
        RETURN QUERY SELECT 'running', talk.id, NULL::uuid, NULL::uuid, NULL::uuid, '', 0, 0::bigint, waiting, stopped, NULL::uuid, now();
        RETURN;
    END IF;
    IF waiting > 0 AND p_while_answering = 'interrupt' THEN
        FOR other IN SELECT t.id, t.state FROM turns t WHERE t.tenant_id = p_tenant AND t.conversation_id = talk.id
                     AND t.state IN ('queued', 'running') ORDER BY t.first_sequence LOOP
            IF other.state = 'queued' THEN
                PERFORM turn_end_queued(p_tenant, talk.id, other.id, 'interrupted', 'interrupted');
                waiting := waiting - 1;
            ELSE
                UPDATE turns SET cancel_reason = 'interrupted' WHERE tenant_id = p_tenant AND id = other.id;
                stopped := stopped || other.id;
            END IF;
        END LOOP;
    END IF;

    SELECT m.id INTO previous FROM messages m WHERE m.tenant_id = p_tenant AND m.conversation_id = talk.id
    ORDER BY m.sequence DESC LIMIT 1;
    INSERT INTO turns (tenant_id, id, conversation_id, user_id, request_id, request_hash, state, first_sequence,
                       question_id, answer_id, options, context)
    VALUES (p_tenant, p_turn, talk.id, p_user, p_request_id, p_request_hash, 'queued', 0,
            p_question, p_answer, p_options, p_context);
    place := message_append(p_tenant, talk.id, p_turn, p_question, previous, 'user', p_text, 'complete', p_request_id, NULL,
                            'message_accepted', jsonb_build_object('queue_position', waiting));
    UPDATE turns SET first_sequence = place WHERE tenant_id = p_tenant AND id = p_turn;
    INSERT INTO runnable_turns (tenant_id, turn_id, conversation_id, worker_id)
    VALUES (p_tenant, p_turn, talk.id, p_worker);
    UPDATE conversations SET title = p_title WHERE tenant_id = p_tenant AND id = talk.id AND title = '' AND NOT title_is_set;
    RETURN QUERY SELECT 'accepted', talk.id, p_turn, p_question, p_answer, 'queued', 0, place, waiting, stopped, previous, now();
END $$;

-- Makes a conversation of a user; the one of the session if another device was quicker.
CREATE FUNCTION conversation_insert(p_tenant uuid, p_user text, p_session text, p_new jsonb)
RETURNS conversations LANGUAGE plpgsql AS $$
DECLARE talk conversations;
BEGIN
    INSERT INTO conversations (tenant_id, user_id, session_id, visitor_id, title, title_is_set, name, email, phone,
                               company, tags, metadata)
    VALUES (p_tenant, p_user, p_session, coalesce(p_new->>'visitor_id', ''), coalesce(p_new->>'title', ''),
            coalesce(p_new->>'title', '') <> '', coalesce(p_new->>'name', ''), coalesce(p_new->>'email', ''),
            coalesce(p_new->>'phone', ''), coalesce(p_new->>'company', ''),
            ARRAY(SELECT jsonb_array_elements_text(coalesce(p_new->'tags', '[]'))), coalesce(p_new->'metadata', '{}'))
    ON CONFLICT (tenant_id, user_id, session_id) WHERE session_id IS NOT NULL DO NOTHING
    RETURNING * INTO talk;
    IF talk.id IS NULL THEN
        SELECT * INTO talk FROM conversations c
        WHERE c.tenant_id = p_tenant AND c.user_id = p_user AND c.session_id = p_session FOR UPDATE;
    END IF;
    RETURN talk;
END $$;

-- Begins an attempt at a turn and loads what it needs. The history goes by turns, so that a question which waited sees the
-- answer that it waited for. No row when the turn is not to be begun with this attempt: it has ended, another worker
-- holds it, or another turn of the conversation runs or came before it and waits.
CREATE FUNCTION turn_claim(p_tenant uuid, p_turn uuid, p_worker uuid, p_attempt int, p_history int)
RETURNS TABLE (attempt int, sequence bigint, conversation_id uuid, user_id text, question_id uuid, answer_id uuid,
               question text, options jsonb, context jsonb, history jsonb, cancel_reason text, accepted_at timestamptz, claimed_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE mine turns; place bigint; asked messages; wanted int;
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    PERFORM 1 FROM conversations c JOIN turns t ON t.tenant_id = c.tenant_id AND t.conversation_id = c.id
        WHERE c.tenant_id = p_tenant AND t.id = p_turn FOR UPDATE OF c;
    UPDATE turns t SET state = 'running', worker_id = p_worker, attempt = t.attempt + 1, checkpoint = '',
                       started_at = coalesce(t.started_at, now())
    WHERE t.tenant_id = p_tenant AND t.id = p_turn AND t.state IN ('queued', 'running') AND t.attempt = p_attempt
      AND NOT EXISTS (SELECT FROM turns o WHERE o.tenant_id = p_tenant AND o.conversation_id = t.conversation_id
                      AND o.id <> t.id
                      AND (o.state = 'running' OR o.state = 'queued' AND o.first_sequence < t.first_sequence))
    RETURNING * INTO mine;
    IF mine.id IS NULL THEN
        RETURN;
    END IF;
    UPDATE runnable_turns r SET worker_id = p_worker, attempt = mine.attempt WHERE r.tenant_id = p_tenant AND r.turn_id = p_turn;
    place := event_append(p_tenant, mine.conversation_id, p_turn, 'turn_started',
                          jsonb_build_object('message_id', mine.answer_id, 'attempt', mine.attempt));
    SELECT * INTO asked FROM messages m WHERE m.tenant_id = p_tenant AND m.id = mine.question_id;
    wanted := CASE WHEN mine.options->>'include_history' = 'false' THEN 0
                   ELSE least(50, coalesce((mine.options->>'max_history_messages')::int, p_history)) END;
    RETURN QUERY SELECT mine.attempt, place, mine.conversation_id, mine.user_id, mine.question_id, mine.answer_id,
        asked.text, mine.options, mine.context,
        coalesce((SELECT jsonb_agg(jsonb_build_object('role', h.role, 'text', h.text) ORDER BY h.asked_at, h.sequence)
                  FROM (SELECT m.role, m.text, m.sequence, t.first_sequence AS asked_at
                        FROM messages m JOIN turns t ON t.tenant_id = m.tenant_id AND t.id = m.turn_id
                        WHERE m.tenant_id = p_tenant AND m.conversation_id = mine.conversation_id
                          AND t.first_sequence < asked.sequence AND m.text <> '' AND m.role IN ('user', 'assistant')
                        ORDER BY t.first_sequence DESC, m.sequence DESC LIMIT wanted) h), '[]'),
        mine.cancel_reason, asked.created_at, now();
END $$;

-- Keeps the text so far and tells the worker whether to go on: go, fenced (somebody else holds the turn), or the reason
-- of a cancellation.
CREATE FUNCTION turn_checkpoint(p_tenant uuid, p_turn uuid, p_worker uuid, p_attempt int, p_text text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE reason text;
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    UPDATE turns SET checkpoint = p_text
    WHERE tenant_id = p_tenant AND id = p_turn AND worker_id = p_worker AND attempt = p_attempt AND state = 'running'
    RETURNING coalesce(cancel_reason, 'go') INTO reason;
    RETURN coalesce(reason, 'fenced');
END $$;

-- Ends a turn with its answer. Only the newest attempt of the holding worker may; others get no row. The next queued
-- turn of the conversation comes back so that the same worker can begin it at once.
CREATE FUNCTION turn_finish(
    p_tenant uuid, p_turn uuid, p_worker uuid, p_attempt int, p_state text, p_text text, p_message_state text,
    p_details jsonb, p_payload jsonb, p_failure text, p_usage jsonb)
RETURNS TABLE (sequence bigint, finished_at timestamptz, next_turn uuid, next_attempt int)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE mine turns; place bigint; follower record; kind text;
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    PERFORM 1 FROM conversations c JOIN turns t ON t.tenant_id = c.tenant_id AND t.conversation_id = c.id
        WHERE c.tenant_id = p_tenant AND t.id = p_turn FOR UPDATE OF c;
    UPDATE turns t SET state = p_state, finished_at = now(), failure = p_failure, checkpoint = ''
    WHERE t.tenant_id = p_tenant AND t.id = p_turn AND t.worker_id = p_worker AND t.attempt = p_attempt AND t.state = 'running'
    RETURNING * INTO mine;
    IF mine.id IS NULL THEN
        RETURN;
    END IF;
    kind := CASE p_state WHEN 'completed' THEN 'message_completed' WHEN 'failed' THEN 'turn_failed' ELSE 'turn_cancelled' END;
    IF p_message_state IS NULL THEN
        place := event_append(p_tenant, mine.conversation_id, p_turn, kind, p_payload);
    ELSE
        place := message_append(p_tenant, mine.conversation_id, p_turn, mine.answer_id, mine.question_id, 'assistant',
                                p_text, p_message_state, '', p_details, kind, p_payload);
    END IF;
    INSERT INTO usage (tenant_id, turn_id, attempt, user_id, provider, model, input_tokens, output_tokens, cached_input_tokens)
    SELECT p_tenant, p_turn, p_attempt, mine.user_id, u->>'provider', u->>'model', (u->>'input_tokens')::int,
           (u->>'output_tokens')::int, (u->>'cached_input_tokens')::int
    FROM jsonb_array_elements(p_usage) u;
    DELETE FROM runnable_turns r WHERE r.tenant_id = p_tenant AND r.turn_id = p_turn;
    SELECT t.id, t.attempt INTO follower FROM turns t
    WHERE t.tenant_id = p_tenant AND t.conversation_id = mine.conversation_id AND t.state = 'queued'
    ORDER BY t.first_sequence LIMIT 1;
    IF FOUND THEN
        UPDATE runnable_turns r SET worker_id = p_worker WHERE r.tenant_id = p_tenant AND r.turn_id = follower.id;
        RETURN QUERY SELECT place, now(), follower.id, follower.attempt;
    ELSE
        RETURN QUERY SELECT place, now(), NULL::uuid, 0;
    END IF;
END $$;

-- Asks a turn to stop: the running one when none is named. Outcomes: missing, none, ended, stopping, cancelled (it had
-- not begun and is over now).
CREATE FUNCTION turn_cancel(
    p_tenant uuid, p_user text, p_sees_all boolean, p_conversation uuid, p_turn uuid, p_reason text)
RETURNS TABLE (outcome text, turn_id uuid) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE mine turns;
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    PERFORM 1 FROM conversations c WHERE c.tenant_id = p_tenant AND c.id = p_conversation
        AND (p_sees_all OR c.user_id = p_user) FOR UPDATE;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'missing', NULL::uuid;
        RETURN;
    END IF;
    SELECT * INTO mine FROM turns t WHERE t.tenant_id = p_tenant AND t.conversation_id = p_conversation
        AND CASE WHEN p_turn IS NULL THEN t.state IN ('running', 'queued') ELSE t.id = p_turn END
        ORDER BY t.first_sequence LIMIT 1;
    IF NOT FOUND THEN
        RETURN QUERY SELECT CASE WHEN p_turn IS NULL THEN 'none' ELSE 'missing' END, NULL::uuid;
    ELSIF mine.state = 'queued' THEN
        PERFORM turn_end_queued(p_tenant, p_conversation, mine.id, 'cancelled', p_reason);
        RETURN QUERY SELECT 'cancelled', mine.id;
    ELSIF mine.state = 'running' AND mine.cancel_reason IS NULL THEN
        UPDATE turns t SET cancel_reason = p_reason WHERE t.tenant_id = p_tenant AND t.id = mine.id;
        RETURN QUERY SELECT 'stopping', mine.id;
    ELSE
        RETURN QUERY SELECT 'ended', mine.id;
    END IF;
END $$;

-- What a watcher needs to begin: the conversation, its cursor limits, and the turn that runs.
CREATE FUNCTION watch_open(p_tenant uuid, p_user text, p_sees_all boolean, p_conversation uuid)
RETURNS TABLE (conversation conversations, turn_id uuid, answer_id uuid, attempt int, checkpoint text, active_turn_id uuid)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    RETURN QUERY SELECT c, t.id, t.answer_id, t.attempt, t.checkpoint,
        (SELECT a.id FROM turns a WHERE a.tenant_id = p_tenant AND a.conversation_id = c.id
         AND a.state IN ('queued', 'running') ORDER BY a.first_sequence LIMIT 1)
    FROM conversations c LEFT JOIN turns t ON t.tenant_id = p_tenant AND t.conversation_id = c.id AND t.state = 'running'
    WHERE c.tenant_id = p_tenant AND c.id = p_conversation AND (p_sees_all OR c.user_id = p_user);
END $$;

-- Durable events after a place, oldest first.
CREATE FUNCTION events_after(p_tenant uuid, p_conversation uuid, p_after bigint, p_limit int)
RETURNS TABLE (sequence bigint, turn_id uuid, kind text, payload jsonb, created_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    RETURN QUERY SELECT e.sequence, e.turn_id, e.kind, e.payload, e.created_at FROM events e
    WHERE e.tenant_id = p_tenant AND e.conversation_id = p_conversation AND e.sequence > p_after
    ORDER BY e.sequence LIMIT p_limit;
END $$;
