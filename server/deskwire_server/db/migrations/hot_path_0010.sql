-- The steps of a turn with fewer statements inside: a question is accepted and begun by one function, which writes each
-- row once. What the steps do, and what they refuse, is as before.

-- Asks for work on a conversation, as before. Work that waits already is asked for without a notice: notices of all
-- connections go one after the other, each until its commit is on the disk.
CREATE OR REPLACE FUNCTION job_enqueue(p_kind text, p_tenant uuid, p_conversation uuid, p_turn uuid, p_priority int)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE wanted bytea; what text := p_kind || '/' || p_tenant || '/' || p_conversation;
BEGIN
    IF p_tenant IS DISTINCT FROM nullif(current_setting('deskwire.tenant_id', true), '')::uuid THEN
        RAISE insufficient_privilege USING MESSAGE = 'work may be asked for in the own tenant only';
    END IF;
    wanted := convert_to(json_build_object('tenant_id', p_tenant, 'conversation_id', p_conversation, 'turn_id', p_turn)::text, 'UTF8');
    UPDATE jobs.pgqueuer AS job SET payload = wanted
    WHERE job.dedupe_key = what AND job.status = 'queued'::jobs.pgqueuer_status;
    IF NOT FOUND THEN
        INSERT INTO jobs.pgqueuer AS job (priority, entrypoint, payload, dedupe_key, status)
        VALUES (p_priority, p_kind, wanted, what, 'queued')
        ON CONFLICT (dedupe_key)
            WHERE status = ANY (ARRAY['queued'::jobs.pgqueuer_status, 'picked'::jobs.pgqueuer_status]) AND dedupe_key IS NOT NULL
        DO UPDATE SET payload = excluded.payload,
            headers = CASE WHEN job.status = 'picked' THEN '{"again": true}'::jsonb ELSE job.headers END;
    END IF;
END $$;

-- Asks for the background work that a turn causes, in the transaction that ends it.
CREATE OR REPLACE FUNCTION turn_finished_hook(p_tenant uuid, p_conversation uuid, p_turn uuid, p_state text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE talk conversations; wants_title boolean; goes_on boolean := true;
BEGIN
    SELECT * INTO talk FROM conversations c WHERE c.tenant_id = p_tenant AND c.id = p_conversation;
    IF talk.summary_due <> 0 THEN
        -- A turn that does not follow the one before it is on another branch, of which nobody knows how much there is.
        goes_on := (SELECT t.parent_turn_id FROM turns t WHERE t.tenant_id = p_tenant AND t.id = p_turn) IS NOT DISTINCT FROM
           (SELECT t.id FROM turns t WHERE t.tenant_id = p_tenant AND t.conversation_id = p_conversation AND t.id < p_turn
            ORDER BY t.id DESC LIMIT 1);
    END IF;
    IF talk.is_summarised AND NOT goes_on THEN
        UPDATE conversations SET is_summarised = true WHERE tenant_id = p_tenant AND id = p_conversation;
    END IF;
    IF p_state <> 'completed' THEN
        RETURN;
    END IF;
    wants_title := talk.title_made_at IS NULL AND NOT talk.title_is_set;
    IF wants_title THEN
        PERFORM job_enqueue('title', p_tenant, p_conversation, p_turn, 1);
    END IF;
    -- Whoever makes the first title also looks how much there is to summarise.
    IF talk.summary_due = 0 AND NOT wants_title
       OR talk.summary_due > 0 AND (talk.message_count >= talk.summary_due OR NOT goes_on)
    THEN
        PERFORM job_enqueue('summary', p_tenant, p_conversation, p_turn, 0);
    END IF;
END $$;

-- Accepts a message, or that an answer is to be made once more: after this commits it can't be lost. With p_history, in
-- messages, the first attempt of a turn that need not wait is begun at once by p_worker, as turn_claim would begin it:
-- begun_sequence is then the place of its event turn_started, and the columns after it are set. The outcomes and the
-- other parameters are those of turn_accept.
CREATE FUNCTION turn_begin(
    p_tenant uuid, p_user text, p_sees_all boolean, p_conversation uuid, p_session text, p_new jsonb,
    p_turn uuid, p_question uuid, p_answer uuid, p_request_id text, p_request_hash bytea, p_text text, p_title text,
    p_options jsonb, p_context jsonb, p_while_answering text, p_worker uuid, p_replaces uuid, p_regenerates uuid,
    p_after bigint, p_history int)
RETURNS TABLE (outcome text, conversation_id uuid, turn_id uuid, question_id uuid, answer_id uuid, state text,
               attempt int, first_sequence bigint, queue_position int, interrupted uuid[], parent_id uuid,
               accepted_at timestamptz, begun_sequence bigint, question text, options jsonb, context jsonb, history jsonb,
               conversation conversations, head_message_id uuid)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    known turns; talk conversations; origin turns; waiting int; previous uuid; follows uuid; other record; refusal text;
    wanted int; ignored text;
BEGIN
    ignored := set_config('deskwire.tenant_id', p_tenant::text, true)
        || pg_advisory_xact_lock(hashtextextended(p_tenant::text || '/' || p_user || '/' || p_request_id, 0))::text;
    interrupted := '{}';
    accepted_at := now();
    attempt := 0;
    SELECT * INTO known FROM turns t WHERE t.tenant_id = p_tenant AND t.user_id = p_user AND t.request_id = p_request_id;
    IF known.id IS NOT NULL THEN
        outcome := CASE WHEN known.request_hash = p_request_hash THEN 'joined' ELSE 'reused' END;
        conversation_id := known.conversation_id;
        turn_id := known.id;
        question_id := known.question_id;
        answer_id := known.answer_id;
        state := known.state;
        attempt := known.attempt;
        first_sequence := known.first_sequence;
        queue_position := 0;
        accepted_at := known.created_at;
        RETURN NEXT;
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
        first_sequence := 0;
        IF refusal IS NULL THEN
            talk := conversation_insert(p_tenant, p_user, p_session, p_new);
        END IF;
    END IF;
    IF refusal IS NULL THEN
        refusal := CASE WHEN talk.status <> 'active' THEN 'closed'
                        WHEN p_after > talk.last_sequence THEN 'ahead'
                        WHEN p_after < talk.earliest_sequence - 1 THEN 'expired' END;
        first_sequence := CASE refusal WHEN 'ahead' THEN talk.last_sequence ELSE talk.earliest_sequence END;
    END IF;
    IF refusal IS NULL AND (p_replaces IS NOT NULL OR p_regenerates IS NOT NULL) THEN
        SELECT * INTO origin FROM turns t
        WHERE t.tenant_id = p_tenant AND t.conversation_id = talk.id AND t.question_id IS NOT NULL
          AND (t.question_id = coalesce(p_replaces, p_regenerates) OR t.answer_id = p_regenerates) LIMIT 1;
        refusal := CASE WHEN origin.id IS NULL THEN 'missing_message' END;
    END IF;
    IF refusal IS NULL AND talk.last_sequence = 0 THEN
        waiting := 0;
    ELSIF refusal IS NULL THEN
        SELECT count(*) INTO waiting FROM turns t
        WHERE t.tenant_id = p_tenant AND t.conversation_id = talk.id AND t.state IN ('queued', 'running');
        refusal := CASE WHEN waiting > 0 AND p_while_answering = 'refuse' THEN 'running' END;
    END IF;
    conversation_id := talk.id;
    IF refusal IS NOT NULL THEN
        outcome := refusal;
        state := coalesce(talk.status, '');
        queue_position := coalesce(waiting, 0);
        RETURN NEXT;
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
                interrupted := interrupted || other.id;
            END IF;
        END LOOP;
    END IF;

    follows := CASE WHEN origin.id IS NULL THEN talk.head_turn_id ELSE origin.parent_turn_id END;
    question_id := CASE WHEN p_regenerates IS NULL THEN p_question ELSE origin.question_id END;
    -- A human owner answers themselves: the message is kept, and its turn is over before anything waits for it.
    state := CASE WHEN talk.owner_kind <> 'bot' THEN 'cancelled' WHEN waiting = 0 AND p_history IS NOT NULL THEN 'running'
                  ELSE 'queued' END;
    attempt := (state = 'running')::int;
    -- What is answered to one person's question is read by another: it rests on what both may read.
    context := CASE WHEN talk.user_id = p_user THEN p_context ELSE p_context - 'reader' END;
    UPDATE conversations c SET
        last_sequence = c.last_sequence + 1 + attempt, message_count = c.message_count + (p_regenerates IS NULL)::int,
        head_turn_id = p_turn, updated_at = now(),
        title = CASE WHEN c.title = '' AND NOT c.title_is_set AND p_regenerates IS NULL THEN p_title ELSE c.title END
    WHERE c.tenant_id = p_tenant AND c.id = talk.id RETURNING * INTO talk;
    first_sequence := talk.last_sequence - attempt;
    INSERT INTO turns (tenant_id, id, conversation_id, user_id, request_id, request_hash, state, first_sequence,
                       question_id, answer_id, options, context, parent_turn_id, owner_token, cancel_reason, finished_at,
                       attempt, worker_id, started_at)
    VALUES (p_tenant, p_turn, talk.id, p_user, p_request_id, p_request_hash, state, first_sequence, question_id, p_answer,
            p_options, context, follows, talk.owner_token, CASE state WHEN 'cancelled' THEN 'OWNER_CHANGED' END,
            CASE state WHEN 'cancelled' THEN now() END, attempt, CASE state WHEN 'running' THEN p_worker END,
            CASE state WHEN 'running' THEN now() END);
    IF p_regenerates IS NULL THEN
        IF follows IS NOT NULL THEN
            SELECT turn_last_message(t) INTO previous FROM turns t WHERE t.tenant_id = p_tenant AND t.id = follows;
        END IF;
        WITH written AS (
            INSERT INTO messages (tenant_id, id, conversation_id, turn_id, parent_id, role, text, state, sequence, request_id)
            VALUES (p_tenant, p_question, talk.id, p_turn, previous, 'user', p_text, 'complete', first_sequence, p_request_id)
            RETURNING *)
        INSERT INTO events (tenant_id, conversation_id, sequence, turn_id, kind, payload)
        SELECT p_tenant, talk.id, first_sequence, p_turn, 'message_accepted',
               jsonb_build_object('message', message_json(w), 'queue_position', waiting) FROM written w;
    ELSE
        INSERT INTO events (tenant_id, conversation_id, sequence, turn_id, kind, payload)
        VALUES (p_tenant, talk.id, first_sequence, p_turn, 'regeneration_accepted',
                jsonb_build_object('question_message_id', question_id, 'queue_position', waiting, 'request_id', p_request_id));
    END IF;
    IF state = 'cancelled' THEN
        PERFORM event_append(p_tenant, talk.id, p_turn, 'turn_cancelled', '{"reason": "OWNER_CHANGED"}');
    ELSE
        INSERT INTO runnable_turns (tenant_id, turn_id, conversation_id, worker_id, attempt)
        VALUES (p_tenant, p_turn, talk.id, p_worker, attempt);
    END IF;
    IF state = 'running' THEN
        begun_sequence := talk.last_sequence;
        INSERT INTO events (tenant_id, conversation_id, sequence, turn_id, kind, payload)
        VALUES (p_tenant, talk.id, begun_sequence, p_turn, 'turn_started',
                jsonb_build_object('message_id', p_answer, 'attempt', attempt));
        question := p_text;
        IF p_regenerates IS NOT NULL THEN
            SELECT m.text INTO question FROM messages m WHERE m.tenant_id = p_tenant AND m.id = question_id;
        END IF;
        wanted := CASE WHEN p_options->>'include_history' = 'false' THEN 0
                       ELSE least(50, coalesce((p_options->>'max_history_messages')::int, p_history)) END;
        history := CASE WHEN follows IS NULL THEN '[]' ELSE turn_history(p_tenant, follows, wanted) END;
        options := p_options;
        conversation := talk;
        -- Nothing is answered yet.
        head_message_id := question_id;
    END IF;
    outcome := 'accepted';
    turn_id := p_turn;
    answer_id := p_answer;
    queue_position := waiting;
    parent_id := previous;
    RETURN NEXT;
END $$;

-- Accepts a message, or that an answer is to be made once more, without beginning it. p_replaces is a question that the
-- message stands in the place of; p_regenerates an answer, or its question, to be answered anew (then there is no
-- message); p_after the cursor that the caller resumes from. Outcomes: accepted (state tells whether it runs or, with a
-- human owner, was ended at once), joined (the request id was here before with the same body), reused (with another
-- body), missing (no such conversation for this user), missing_message, closed, ahead and expired (the cursor;
-- first_sequence is then the limit that it broke), running (an answer runs and the message asked to be refused then).
CREATE OR REPLACE FUNCTION turn_accept(
    p_tenant uuid, p_user text, p_sees_all boolean, p_conversation uuid, p_session text, p_new jsonb,
    p_turn uuid, p_question uuid, p_answer uuid, p_request_id text, p_request_hash bytea, p_text text, p_title text,
    p_options jsonb, p_context jsonb, p_while_answering text, p_worker uuid,
    p_replaces uuid DEFAULT NULL, p_regenerates uuid DEFAULT NULL, p_after bigint DEFAULT NULL)
RETURNS TABLE (outcome text, conversation_id uuid, turn_id uuid, question_id uuid, answer_id uuid, state text,
               attempt int, first_sequence bigint, queue_position int, interrupted uuid[], parent_id uuid,
               accepted_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT b.outcome, b.conversation_id, b.turn_id, b.question_id, b.answer_id, b.state, b.attempt,
                        b.first_sequence, b.queue_position, b.interrupted, b.parent_id, b.accepted_at
    FROM turn_begin(p_tenant, p_user, p_sees_all, p_conversation, p_session, p_new, p_turn, p_question, p_answer,
                    p_request_id, p_request_hash, p_text, p_title, p_options, p_context, p_while_answering, p_worker,
                    p_replaces, p_regenerates, p_after, NULL) b;
END $$;

-- Writes a message together with the event that brings it in.
CREATE OR REPLACE FUNCTION message_append(
    p_tenant uuid, p_conversation uuid, p_turn uuid, p_id uuid, p_parent uuid, p_role text, p_text text, p_state text,
    p_request_id text, p_details jsonb, p_kind text, p_payload jsonb)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE place bigint;
BEGIN
    UPDATE conversations SET last_sequence = last_sequence + 1, message_count = message_count + 1, updated_at = now()
    WHERE tenant_id = p_tenant AND id = p_conversation RETURNING last_sequence INTO place;
    WITH written AS (
        INSERT INTO messages (tenant_id, id, conversation_id, turn_id, parent_id, role, text, state, sequence, request_id, details)
        VALUES (p_tenant, p_id, p_conversation, p_turn, p_parent, p_role, p_text, p_state, place, p_request_id, p_details)
        RETURNING *)
    INSERT INTO events (tenant_id, conversation_id, sequence, turn_id, kind, payload)
    SELECT p_tenant, p_conversation, place, p_turn, p_kind,
           jsonb_set(p_payload, ARRAY[CASE WHEN p_state = 'complete' THEN 'message' ELSE 'partial' END], message_json(w))
    FROM written w;
    RETURN place;
END $$;
