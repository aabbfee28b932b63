-- Branches and owners in the life of a turn. Turns of a conversation are a tree: each follows the turn that was the head
-- when it was accepted, or stands beside the one whose question it replaces or answers again.

DROP FUNCTION turn_accept;
DROP FUNCTION watch_open;

-- The message that follows a turn's own question: its answer, or what the next message names in its place. A turn that
-- has not ended is taken to get one.
CREATE FUNCTION turn_last_message(t turns) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN t.state IN ('queued', 'running') OR t.question_id IS NULL
                     OR EXISTS (SELECT FROM messages m WHERE m.tenant_id = t.tenant_id AND m.id = t.answer_id)
                THEN t.answer_id ELSE t.question_id END
$$;

-- The newest message of a conversation's active branch.
CREATE FUNCTION conversation_head_message(c conversations) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT m.id FROM messages m WHERE m.tenant_id = t.tenant_id AND m.id = t.answer_id), t.question_id)
    FROM turns t WHERE t.tenant_id = c.tenant_id AND t.id = c.head_turn_id
$$;

-- The turn of a conversation that runs or waits first.
CREATE FUNCTION conversation_active_turn(c conversations) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT t.id FROM turns t WHERE t.tenant_id = c.tenant_id AND t.conversation_id = c.id
    AND t.state IN ('queued', 'running') ORDER BY t.first_sequence LIMIT 1
$$;

-- Notes what a conversation is like after a change of its own fields or state, as a durable event.
CREATE FUNCTION conversation_changed(p_tenant uuid, p_conversation uuid) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE talk conversations;
BEGIN
    UPDATE conversations SET last_sequence = last_sequence + 1, updated_at = now()
    WHERE tenant_id = p_tenant AND id = p_conversation RETURNING * INTO talk;
    INSERT INTO events (tenant_id, conversation_id, sequence, kind, payload)
    VALUES (p_tenant, p_conversation, talk.last_sequence, 'conversation_changed', jsonb_build_object('conversation',
            (to_jsonb(talk) - 'tenant_id') || jsonb_build_object('active_turn_id', conversation_active_turn(talk),
                                                                 'head_message_id', conversation_head_message(talk))));
    RETURN talk.last_sequence;
END $$;

-- Called as the last step of each turn that was begun, in the transaction that ends it.
CREATE FUNCTION turn_finished_hook(p_tenant uuid, p_conversation uuid, p_turn uuid, p_state text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
END $$;

-- Ends a turn whose conversation has another owner than when it was accepted. The text up to its last checkpoint is kept.
CREATE FUNCTION turn_give_way(p_tenant uuid, p_conversation uuid, p_turn uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE mine turns; payload jsonb := '{"reason": "OWNER_CHANGED"}';
BEGIN
    SELECT * INTO mine FROM turns WHERE tenant_id = p_tenant AND id = p_turn FOR UPDATE;
    IF mine.state = 'queued' THEN
        PERFORM turn_end_queued(p_tenant, p_conversation, p_turn, 'cancelled', 'OWNER_CHANGED');
    ELSIF mine.state = 'running' THEN
        UPDATE turns SET state = 'cancelled', cancel_reason = 'OWNER_CHANGED', finished_at = now(), checkpoint = ''
        WHERE tenant_id = p_tenant AND id = p_turn;
        DELETE FROM runnable_turns WHERE tenant_id = p_tenant AND turn_id = p_turn;
        IF mine.checkpoint = '' THEN
            PERFORM event_append(p_tenant, p_conversation, p_turn, 'turn_cancelled', payload);
        ELSE
            PERFORM message_append(p_tenant, p_conversation, p_turn, mine.answer_id, mine.question_id, 'assistant',
                                   mine.checkpoint, 'cancelled', '', NULL, 'turn_cancelled', payload);
        END IF;
        PERFORM turn_finished_hook(p_tenant, p_conversation, p_turn, 'cancelled');
    END IF;
END $$;

-- Keeps what an attempt has cost whose turn somebody else ended or took over: a provider call that was made is counted.
CREATE FUNCTION turn_settle(p_tenant uuid, p_turn uuid, p_attempt int, p_usage jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    INSERT INTO usage (tenant_id, turn_id, attempt, user_id, provider, model, input_tokens, output_tokens, cached_input_tokens)
    SELECT p_tenant, p_turn, p_attempt, t.user_id, u->>'provider', u->>'model', (u->>'input_tokens')::int,
           (u->>'output_tokens')::int, (u->>'cached_input_tokens')::int
    FROM turns t, jsonb_array_elements(p_usage) u
    WHERE t.tenant_id = p_tenant AND t.id = p_turn
      AND NOT EXISTS (SELECT FROM usage k WHERE k.tenant_id = p_tenant AND k.turn_id = p_turn AND k.attempt = p_attempt);
END $$;

-- Accepts a message, or that an answer is to be made once more: after this commits it can't be lost. p_replaces is a
-- question that the message stands in the place of; p_regenerates an answer, or its question, to be answered anew (then
-- there is no message); p_after the cursor that the caller resumes from. Outcomes: accepted (state tells whether it runs
-- or, with a human owner, was ended at once), joined (the request id was here before with the same body), reused (with
-- another body), missing (no such conversation for this user), missing_message, closed, ahead and expired (the cursor;
-- first_sequence is then the limit that it broke), running (an answer runs and the message asked to be refused then).
CREATE FUNCTION turn_accept(
    p_tenant uuid, p_user text, p_sees_all boolean, p_conversation uuid, p_session text, p_new jsonb,
    p_turn uuid, p_question uuid, p_answer uuid, p_request_id text, p_request_hash bytea, p_text text, p_title text,
    p_options jsonb, p_context jsonb, p_while_answering text, p_worker uuid,
    p_replaces uuid DEFAULT NULL, p_regenerates uuid DEFAULT NULL, p_after bigint DEFAULT NULL)
RETURNS TABLE (outcome text, conversation_id uuid, turn_id uuid, question_id uuid, answer_id uuid, state text,
               attempt int, first_sequence bigint, queue_position int, interrupted uuid[], parent_id uuid,
               accepted_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    known turns; talk conversations; origin turns; waiting int; place bigint; previous uuid; follows uuid; asked uuid;
    stopped uuid[] := '{}'; other record; refusal text; begins text; written messages;
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
    ELSIF p_session IS NOT NULL THEN
        SELECT * INTO talk FROM conversations c
        WHERE c.tenant_id = p_tenant AND c.user_id = p_user AND c.session_id = p_session FOR UPDATE;
    END IF;
    IF talk.id IS NULL THEN
        refusal := CASE WHEN p_conversation IS NOT NULL THEN 'missing'
                        WHEN p_replaces IS NOT NULL OR p_regenerates IS NOT NULL THEN 'missing_message'
                        WHEN p_after > 0 THEN 'ahead' END;
        place := 0;
        IF refusal IS NULL THEN
            talk := conversation_insert(p_tenant, p_user, p_session, p_new);
        END IF;
    END IF;
    IF refusal IS NULL THEN
        refusal := CASE WHEN talk.status <> 'active' THEN 'closed'
                        WHEN p_after > talk.last_sequence THEN 'ahead'
                        WHEN p_after < talk.earliest_sequence - 1 THEN 'expired' END;
        place := CASE refusal WHEN 'ahead' THEN talk.last_sequence ELSE talk.earliest_sequence END;
    END IF;
    IF refusal IS NULL AND (p_replaces IS NOT NULL OR p_regenerates IS NOT NULL) THEN
        SELECT * INTO origin FROM turns t
        WHERE t.tenant_id = p_tenant AND t.conversation_id = talk.id AND t.question_id IS NOT NULL
          AND (t.question_id = coalesce(p_replaces, p_regenerates) OR t.answer_id = p_regenerates) LIMIT 1;
        refusal := CASE WHEN origin.id IS NULL THEN 'missing_message' END;
    END IF;
    IF refusal IS NULL THEN
        SELECT count(*) INTO waiting FROM turns t
        WHERE t.tenant_id = p_tenant AND t.conversation_id = talk.id AND t.state IN ('queued', 'running');
        refusal := CASE WHEN waiting > 0 AND p_while_answering = 'refuse' THEN 'running' END;
    END IF;
    IF refusal IS NOT NULL THEN
        RETURN QUERY SELECT refusal, talk.id, NULL::uuid, NULL::uuid, NULL::uuid, coalesce(talk.status, ''), 0, place,
                            coalesce(waiting, 0), stopped, NULL::uuid, now();
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

    follows := CASE WHEN origin.id IS NULL THEN talk.head_turn_id ELSE origin.parent_turn_id END;
    asked := CASE WHEN p_regenerates IS NULL THEN p_question ELSE origin.question_id END;
    -- A human owner answers themselves: the message is kept, and its turn is over before anything waits for it.
    begins := CASE talk.owner_kind WHEN 'bot' THEN 'queued' ELSE 'cancelled' END;
    UPDATE conversations c SET
        last_sequence = c.last_sequence + 1, message_count = c.message_count + (p_regenerates IS NULL)::int,
        head_turn_id = p_turn, updated_at = now(),
        title = CASE WHEN c.title = '' AND NOT c.title_is_set AND p_regenerates IS NULL THEN p_title ELSE c.title END
    WHERE c.tenant_id = p_tenant AND c.id = talk.id RETURNING c.last_sequence INTO place;
    INSERT INTO turns (tenant_id, id, conversation_id, user_id, request_id, request_hash, state, first_sequence,
                       question_id, answer_id, options, context, parent_turn_id, owner_token, cancel_reason, finished_at)
    VALUES (p_tenant, p_turn, talk.id, p_user, p_request_id, p_request_hash, begins, place, asked, p_answer, p_options,
            -- What is answered to one person's question is read by another: it rests on what both may read.
            CASE WHEN talk.user_id = p_user THEN p_context ELSE p_context - 'reader' END,
            follows, talk.owner_token, CASE begins WHEN 'cancelled' THEN 'OWNER_CHANGED' END,
            CASE begins WHEN 'cancelled' THEN now() END);
    IF p_regenerates IS NULL THEN
        SELECT turn_last_message(t) INTO previous FROM turns t WHERE t.tenant_id = p_tenant AND t.id = follows;
        INSERT INTO messages (tenant_id, id, conversation_id, turn_id, parent_id, role, text, state, sequence, request_id)
        VALUES (p_tenant, p_question, talk.id, p_turn, previous, 'user', p_text, 'complete', place, p_request_id)
        RETURNING * INTO written;
        INSERT INTO events (tenant_id, conversation_id, sequence, turn_id, kind, payload)
        VALUES (p_tenant, talk.id, place, p_turn, 'message_accepted',
                jsonb_build_object('message', message_json(written), 'queue_position', waiting));
    ELSE
        INSERT INTO events (tenant_id, conversation_id, sequence, turn_id, kind, payload)
        VALUES (p_tenant, talk.id, place, p_turn, 'regeneration_accepted',
                jsonb_build_object('question_message_id', asked, 'queue_position', waiting, 'request_id', p_request_id));
    END IF;
    IF begins = 'queued' THEN
        INSERT INTO runnable_turns (tenant_id, turn_id, conversation_id, worker_id)
        VALUES (p_tenant, p_turn, talk.id, p_worker);
    ELSE
        PERFORM event_append(p_tenant, talk.id, p_turn, 'turn_cancelled', '{"reason": "OWNER_CHANGED"}');
    END IF;
    RETURN QUERY SELECT 'accepted', talk.id, p_turn, asked, p_answer, begins, 0, place, waiting, stopped, previous, now();
END $$;

-- What was said on the branch up to a turn, this one included, oldest first: the last p_wanted messages.
CREATE FUNCTION turn_history(p_tenant uuid, p_turn uuid, p_wanted int) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF p_turn IS NULL OR p_wanted <= 0 THEN
        RETURN '[]';
    END IF;
    RETURN (
        WITH RECURSIVE branch (depth, follows, asked, answered, taken) AS (
            SELECT 0, p_turn, NULL::text, NULL::text, 0
            UNION ALL
            SELECT b.depth + 1, t.parent_turn_id, t.asked, t.answered,
                   b.taken + (coalesce(t.asked, '') <> '')::int + (coalesce(t.answered, '') <> '')::int
            FROM branch b CROSS JOIN LATERAL (
                -- OFFSET 0 keeps each step a look-up by key: the planner takes the one row of a step for many.
                SELECT o.parent_turn_id,
                       (SELECT q.text FROM messages q WHERE q.tenant_id = p_tenant AND q.id = o.question_id) AS asked,
                       (SELECT a.text FROM messages a WHERE a.tenant_id = p_tenant AND a.id = o.answer_id) AS answered
                FROM turns o WHERE o.tenant_id = p_tenant AND o.id = b.follows OFFSET 0) t
            WHERE b.taken < p_wanted)
        SELECT coalesce(jsonb_agg(jsonb_build_object('role', h.role, 'text', h.text) ORDER BY h.depth DESC, h.place), '[]')
        FROM (SELECT b.depth, m.place, m.role, m.text
              FROM branch b CROSS JOIN LATERAL (VALUES (1, 'user', b.asked), (2, 'assistant', b.answered)) m (place, role, text)
              WHERE m.text <> '' ORDER BY b.depth, m.place DESC LIMIT p_wanted) h);
END $$;

-- Begins an attempt at a turn and loads what it needs. The history is that of its branch, so that a question which waited
-- sees the answer that it waited for, and none sees what was said on another branch. No row when the turn is not to be
-- begun with this attempt: it has ended, another worker holds it, another turn of the conversation runs or came before it
-- and waits, or the conversation has another owner than when it was accepted; the turn is then over.
CREATE OR REPLACE FUNCTION turn_claim(p_tenant uuid, p_turn uuid, p_worker uuid, p_attempt int, p_history int)
RETURNS TABLE (attempt int, sequence bigint, conversation_id uuid, user_id text, question_id uuid, answer_id uuid,
               question text, options jsonb, context jsonb, history jsonb, cancel_reason text, accepted_at timestamptz, claimed_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE mine turns; talk conversations; place bigint; asked text; wanted int;
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    SELECT c.* INTO talk FROM conversations c JOIN turns t ON t.tenant_id = c.tenant_id AND t.conversation_id = c.id
        WHERE c.tenant_id = p_tenant AND t.id = p_turn FOR UPDATE OF c;
    UPDATE turns t SET state = 'running', worker_id = p_worker, attempt = t.attempt + 1, checkpoint = '',
                       started_at = coalesce(t.started_at, now())
    WHERE t.tenant_id = p_tenant AND t.id = p_turn AND t.state IN ('queued', 'running') AND t.attempt = p_attempt
      AND t.owner_token = talk.owner_token AND talk.owner_kind = 'bot'
      AND NOT EXISTS (SELECT FROM turns o WHERE o.tenant_id = p_tenant AND o.conversation_id = t.conversation_id
                      AND o.id <> t.id
                      AND (o.state = 'running' OR o.state = 'queued' AND o.first_sequence < t.first_sequence))
    RETURNING * INTO mine;
    IF mine.id IS NULL THEN
        PERFORM turn_give_way(p_tenant, talk.id, p_turn) FROM turns t
        WHERE t.tenant_id = p_tenant AND t.id = p_turn AND t.state IN ('queued', 'running')
          AND (t.owner_token <> talk.owner_token OR talk.owner_kind <> 'bot');
        RETURN;
    END IF;
    UPDATE runnable_turns r SET worker_id = p_worker, attempt = mine.attempt WHERE r.tenant_id = p_tenant AND r.turn_id = p_turn;
    place := event_append(p_tenant, mine.conversation_id, p_turn, 'turn_started',
                          jsonb_build_object('message_id', mine.answer_id, 'attempt', mine.attempt));
    SELECT m.text INTO asked FROM messages m WHERE m.tenant_id = p_tenant AND m.id = mine.question_id;
    wanted := CASE WHEN mine.options->>'include_history' = 'false' THEN 0
                   ELSE least(50, coalesce((mine.options->>'max_history_messages')::int, p_history)) END;
    RETURN QUERY SELECT mine.attempt, place, mine.conversation_id, mine.user_id, mine.question_id, mine.answer_id, asked,
        mine.options, mine.context, turn_history(p_tenant, mine.parent_turn_id, wanted), mine.cancel_reason,
        mine.created_at, now();
END $$;

-- Keeps the text so far and tells the worker whether to go on: go, fenced (somebody else holds the turn, or the
-- conversation), or the reason of a cancellation.
CREATE OR REPLACE FUNCTION turn_checkpoint(p_tenant uuid, p_turn uuid, p_worker uuid, p_attempt int, p_text text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE reason text;
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    UPDATE turns t SET checkpoint = p_text FROM conversations c
    WHERE t.tenant_id = p_tenant AND t.id = p_turn AND t.worker_id = p_worker AND t.attempt = p_attempt AND t.state = 'running'
      AND c.tenant_id = p_tenant AND c.id = t.conversation_id AND c.owner_token = t.owner_token AND c.owner_kind = 'bot'
    RETURNING coalesce(t.cancel_reason, 'go') INTO reason;
    RETURN coalesce(reason, 'fenced');
END $$;

-- Ends a turn with its answer. Only the newest attempt of the holding worker may, and only while the conversation has the
-- owner that it had when the turn was accepted; others get no row. The next queued turn of the conversation comes back so
-- that the same worker can begin it at once.
CREATE OR REPLACE FUNCTION turn_finish(
    p_tenant uuid, p_turn uuid, p_worker uuid, p_attempt int, p_state text, p_text text, p_message_state text,
    p_details jsonb, p_payload jsonb, p_failure text, p_usage jsonb)
RETURNS TABLE (sequence bigint, finished_at timestamptz, next_turn uuid, next_attempt int)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE mine turns; talk conversations; place bigint; follower record; kind text;
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    SELECT c.* INTO talk FROM conversations c JOIN turns t ON t.tenant_id = c.tenant_id AND t.conversation_id = c.id
        WHERE c.tenant_id = p_tenant AND t.id = p_turn FOR UPDATE OF c;
    UPDATE turns t SET state = p_state, finished_at = now(), failure = p_failure, checkpoint = ''
    WHERE t.tenant_id = p_tenant AND t.id = p_turn AND t.worker_id = p_worker AND t.attempt = p_attempt AND t.state = 'running'
      AND t.owner_token = talk.owner_token AND talk.owner_kind = 'bot'
    RETURNING * INTO mine;
    IF mine.id IS NULL THEN
        PERFORM turn_give_way(p_tenant, talk.id, p_turn) FROM turns t
        WHERE t.tenant_id = p_tenant AND t.id = p_turn AND t.state = 'running'
          AND (t.owner_token <> talk.owner_token OR talk.owner_kind <> 'bot');
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
    PERFORM turn_finished_hook(p_tenant, mine.conversation_id, p_turn, p_state);
END $$;

-- What a watcher needs to begin: the conversation, its cursor limits, and the turn that runs.
CREATE FUNCTION watch_open(p_tenant uuid, p_user text, p_sees_all boolean, p_conversation uuid)
RETURNS TABLE (conversation conversations, turn_id uuid, answer_id uuid, attempt int, checkpoint text,
               active_turn_id uuid, head_message_id uuid)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    RETURN QUERY SELECT c, t.id, t.answer_id, t.attempt, t.checkpoint, conversation_active_turn(c), conversation_head_message(c)
    FROM conversations c LEFT JOIN turns t ON t.tenant_id = p_tenant AND t.conversation_id = c.id AND t.state = 'running'
    WHERE c.tenant_id = p_tenant AND c.id = p_conversation AND (p_sees_all OR c.user_id = p_user);
END $$;

-- Gives a conversation to another owner: the assistant, or the agent p_agent. Whatever the old owner began ends in this
-- transaction, and nothing of it can be committed after it. Outcomes: missing, changed (somebody else was quicker: the
-- token is not p_expected), done (with the new token and the turn that was running).
CREATE FUNCTION owner_change(p_tenant uuid, p_conversation uuid, p_expected bigint, p_kind text, p_agent text)
RETURNS TABLE (outcome text, token bigint, sequence bigint, stopped uuid) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE talk conversations; other record; running uuid;
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    SELECT * INTO talk FROM conversations c WHERE c.tenant_id = p_tenant AND c.id = p_conversation FOR UPDATE;
    IF talk.id IS NULL OR talk.owner_token <> p_expected THEN
        RETURN QUERY SELECT CASE WHEN talk.id IS NULL THEN 'missing' ELSE 'changed' END, talk.owner_token, 0::bigint, NULL::uuid;
        RETURN;
    END IF;
    FOR other IN SELECT t.id, t.state FROM turns t WHERE t.tenant_id = p_tenant AND t.conversation_id = p_conversation
                 AND t.state IN ('queued', 'running') ORDER BY t.first_sequence LOOP
        PERFORM turn_give_way(p_tenant, p_conversation, other.id);
        running := CASE other.state WHEN 'running' THEN other.id ELSE running END;
    END LOOP;
    UPDATE conversations c SET owner_kind = p_kind, owner_user_id = CASE p_kind WHEN 'agent' THEN p_agent END,
                               owner_token = c.owner_token + 1
    WHERE c.tenant_id = p_tenant AND c.id = p_conversation RETURNING * INTO talk;
    RETURN QUERY SELECT 'done', talk.owner_token, conversation_changed(p_tenant, p_conversation), running;
END $$;

-- Writes what an agent says who owns the conversation by p_token. It is a turn of its own, over as soon as it is there.
-- Outcomes: said, joined (the request id was here before with the same body), reused, missing, closed, changed (the
-- conversation has another owner by now).
CREATE FUNCTION owner_say(
    p_tenant uuid, p_user text, p_conversation uuid, p_token bigint, p_turn uuid, p_message uuid, p_request_id text,
    p_request_hash bytea, p_text text)
RETURNS TABLE (outcome text, turn_id uuid, message_id uuid, sequence bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE known turns; talk conversations; previous uuid; place bigint; refusal text;
BEGIN
    PERFORM set_config('deskwire.tenant_id', p_tenant::text, true);
    PERFORM pg_advisory_xact_lock(hashtextextended(p_tenant::text || '/' || p_user || '/' || p_request_id, 0));
    SELECT * INTO known FROM turns t WHERE t.tenant_id = p_tenant AND t.user_id = p_user AND t.request_id = p_request_id;
    IF FOUND THEN
        RETURN QUERY SELECT CASE WHEN known.request_hash = p_request_hash THEN 'joined' ELSE 'reused' END,
            known.id, known.answer_id, known.first_sequence;
        RETURN;
    END IF;
    SELECT * INTO talk FROM conversations c WHERE c.tenant_id = p_tenant AND c.id = p_conversation FOR UPDATE;
    refusal := CASE WHEN talk.id IS NULL THEN 'missing'
                    WHEN talk.owner_token <> p_token OR talk.owner_kind <> 'agent' OR talk.owner_user_id <> p_user THEN 'changed'
                    WHEN talk.status <> 'active' THEN 'closed' END;
    IF refusal IS NOT NULL THEN
        RETURN QUERY SELECT refusal, NULL::uuid, NULL::uuid, 0::bigint;
        RETURN;
    END IF;
    SELECT turn_last_message(t) INTO previous FROM turns t WHERE t.tenant_id = p_tenant AND t.id = talk.head_turn_id;
    INSERT INTO turns (tenant_id, id, conversation_id, user_id, request_id, request_hash, state, first_sequence, answer_id,
                       parent_turn_id, owner_token, finished_at)
    VALUES (p_tenant, p_turn, p_conversation, p_user, p_request_id, p_request_hash, 'completed', talk.last_sequence + 1,
            p_message, talk.head_turn_id, p_token, now());
    UPDATE conversations c SET head_turn_id = p_turn WHERE c.tenant_id = p_tenant AND c.id = p_conversation;
    place := message_append(p_tenant, p_conversation, p_turn, p_message, previous, 'agent', p_text, 'complete', p_request_id,
                            NULL, 'message_completed', '{}');
    PERFORM turn_finished_hook(p_tenant, p_conversation, p_turn, 'completed');
    RETURN QUERY SELECT 'said', p_turn, p_message, place;
END $$;
