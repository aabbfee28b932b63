/** One question: its text, what became of it, and the way to put it in other words. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";

import type { Question } from "../model/transcript";
import type { Chat } from "../state/chat";
import { explain } from "../text/explain";
import { BranchPager } from "./branch-pager";
import { focusConversation } from "./focus";
import { Icon } from "./icon";
import { IconButton } from "./pieces";

export function QuestionView({ question, chat }: { question: Question; chat: Chat }) {
  const [editing, setEditing] = useState(false);
  const view = useRef<HTMLElement>(null);
  const edited = useRef(false);
  useLayoutEffect(() => {
    if (!editing && edited.current) view.current?.querySelector<HTMLElement>(".edit-question")?.focus();
    edited.current = editing;
  }, [editing]);
  const { state, error, text } = question;
  if (editing) return <QuestionEditor question={question} chat={chat} onClose={() => setEditing(false)} />;
  return (
    <article class={`question question-${state}`} aria-label="You" ref={view}>
      <p class="bubble" dir="auto">{text}</p>
      {state === "sending" && chat.connection.value === "reconnecting" && (
        <p class="question-note">Waiting for the connection…</p>
      )}
      {state === "refused" && error && (
        <div class="question-note question-note-bad" role="alert">
          <Icon name="alert" size={15} />
          <span>{explain(error).title}. {explain(error).advice}</span>
          {explain(error).canRetry && (
            <button type="button" class="link" onClick={() => void chat.send(text, question.id, question.replaces)}>Try again</button>
          )}
          <button type="button" class="link" onClick={() => void chat.discard(question)}>Remove</button>
        </div>
      )}
      {state === "sent" && <QuestionTools question={question} chat={chat} onEdit={() => setEditing(true)} />}
    </article>
  );
}

/** Only the person who asked may ask in other words. */
function QuestionTools({ question, chat, onEdit }: { question: Question; chat: Chat; onEdit: () => void }) {
  const canEdit = chat.isOwn && question.messageId !== "" && !chat.busy.value && !chat.ended.value;
  return (
    <div class="tools question-tools">
      <BranchPager label="Versions of this question" id={question.messageId} alternatives={question.alternatives} chat={chat} />
      {canEdit && <IconButton icon="edit" size={14} label="Edit the question" class="edit-question" onClick={onEdit} />}
    </div>
  );
}

function QuestionEditor({ question, chat, onClose }: { question: Question; chat: Chat; onClose: () => void }) {
  const [text, setText] = useState(question.text);
  const box = useRef<HTMLTextAreaElement>(null);
  // Before the box is seen: whoever types at once is not interrupted by a caret that moves.
  useLayoutEffect(() => {
    box.current?.focus();
    box.current?.setSelectionRange(question.text.length, question.text.length);
  }, [question.text.length]);
  const changed = text.trim() !== "" && text.trim() !== question.text;
  const ask = (): void => {
    if (!changed || chat.busy.value) return;
    void chat.edit(question, text.trim());
    focusConversation();
  };
  return (
    <form
      class="question question-editor"
      onSubmit={(event) => {
        event.preventDefault();
        ask();
      }}
    >
      <textarea
        ref={box}
        class="input"
        aria-label="Question in other words"
        rows={Math.min(8, text.split("\n").length + 1)}
        maxLength={8_000}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") onClose();
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          ask();
        }}
      />
      <div class="question-editor-bar">
        <button type="button" class="button button-quiet" onClick={onClose}>Cancel</button>
        <button class="button button-primary" disabled={!changed || chat.busy.value}>Ask</button>
      </div>
    </form>
  );
}
