-- Summaries of what an answer does not see in full any more, and titles made in the background.

ALTER TABLE conversations
    -- Of what was said on the active branch before the last messages; kept by the functions below.
    ADD COLUMN summary text NOT NULL DEFAULT '',
    ADD COLUMN is_summarised boolean NOT NULL DEFAULT false,
    -- How many messages the conversation has when it is time to look for something to summarise; 0 while nobody looked.
    ADD COLUMN summary_due int NOT NULL DEFAULT 0,
    -- When a title was made of what was said; it stays from then on.
    ADD COLUMN title_made_at timestamptz;

-- What was said on a branch up to a turn, this one included.
CREATE TABLE summaries (
    tenant_id uuid NOT NULL,
    turn_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    text text NOT NULL,
    provider text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, turn_id),
    FOREIGN KEY (tenant_id, turn_id) REFERENCES turns ON DELETE CASCADE
);
CREATE INDEX summaries_by_conversation ON summaries (tenant_id, conversation_id);

-- The summary of what came before the last p_window turns of the branch that ends with p_turn: of those that reach this
-- far the shortest one, else the longest. NULL when there is none on this branch.
CREATE FUNCTION turn_summary(p_tenant uuid, p_turn uuid, p_window int) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM turns t JOIN summaries s ON s.tenant_id = t.tenant_id AND s.conversation_id = t.conversation_id
                   WHERE t.tenant_id = p_tenant AND t.id = p_turn) THEN
        RETURN NULL;
    END IF;
    RETURN (
        WITH RECURSIVE path (depth, follows, found) AS (
            SELECT 0, p_turn, NULL::uuid
            UNION ALL
            SELECT p.depth + 1, t.parent_turn_id,
                   CASE WHEN s.turn_id IS NOT NULL AND (p.depth <= p_window OR p.found IS NULL) THEN s.turn_id ELSE p.found END
            FROM path p
            -- OFFSET 0 keeps each step a look-up by key, whatever the planner believes of the table's size.
            CROSS JOIN LATERAL (SELECT n.id, n.parent_turn_id FROM turns n
                                WHERE n.tenant_id = p_tenant AND n.id = p.follows OFFSET 0) t
            LEFT JOIN LATERAL (SELECT k.turn_id FROM summaries k
                               WHERE k.tenant_id = p_tenant AND k.turn_id = t.id OFFSET 0) s ON true
            WHERE p.depth <= p_window OR p.found IS NULL)
        SELECT s.text FROM path p JOIN summaries s ON s.tenant_id = p_tenant AND s.turn_id = p.found
        ORDER BY p.depth DESC LIMIT 1);
END $$;

-- What an answer sees of its branch: the last p_wanted messages and, where the branch has more, a summary of what came
-- before them, as the first entry with the role `summary`.
ALTER FUNCTION turn_history(uuid, uuid, int) RENAME TO turn_messages;
CREATE FUNCTION turn_history(p_tenant uuid, p_turn uuid, p_wanted int) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE said jsonb; told text;
BEGIN
    IF p_turn IS NULL OR p_wanted <= 0 THEN
        RETURN '[]';
    END IF;
    -- One more than wanted tells whether there are more.
    said := turn_messages(p_tenant, p_turn, p_wanted + 1);
    IF jsonb_array_length(said) <= p_wanted THEN
        RETURN said;
    END IF;
    said := said - 0;
    -- No turn has more than a question and an answer, so half as many turns are seen at least.
    told := turn_summary(p_tenant, p_turn, p_wanted / 2);
    RETURN CASE WHEN told IS NULL THEN said
                ELSE jsonb_build_array(jsonb_build_object('role', 'summary', 'text', told)) || said END;
END $$;

-- Asks for the background work that a turn causes, in the transaction that ends it.
CREATE OR REPLACE FUNCTION turn_finished_hook(p_tenant uuid, p_conversation uuid, p_turn uuid, p_state text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE talk conversations; wants_title boolean; goes_on boolean;
BEGIN
    SELECT * INTO talk FROM conversations c WHERE c.tenant_id = p_tenant AND c.id = p_conversation;
    -- A turn that does not follow the one before it is on another branch, of which nobody knows how much there is.
    goes_on := talk.summary_due = 0
        OR (SELECT t.parent_turn_id FROM turns t WHERE t.tenant_id = p_tenant AND t.id = p_turn) IS NOT DISTINCT FROM
           (SELECT t.id FROM turns t WHERE t.tenant_id = p_tenant AND t.conversation_id = p_conversation AND t.id < p_turn
            ORDER BY t.id DESC LIMIT 1);
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

-- Keeps the summary that a conversation shows that of its active branch.
CREATE FUNCTION conversation_summary() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE shown uuid;
BEGIN
    -- A turn that is just being accepted is not there yet: it follows the head from before.
    SELECT t.id INTO shown FROM turns t WHERE t.tenant_id = NEW.tenant_id AND t.id = NEW.head_turn_id;
    IF shown IS NOT NULL THEN
        NEW.summary := coalesce(turn_summary(NEW.tenant_id, shown, 0), '');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER conversation_summary BEFORE UPDATE OF head_turn_id, is_summarised ON conversations FOR EACH ROW
    WHEN (NEW.is_summarised) EXECUTE FUNCTION conversation_summary();
