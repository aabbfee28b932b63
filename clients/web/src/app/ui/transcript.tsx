/** The messages of a conversation, oldest first; stays at the end while the reader is there. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { api } from "../../lib";
import type { Answer, Failure, Item } from "../model/transcript";
import type { Chat } from "../state/chat";
import { explainReason } from "../text/explain";
import { AnswerView } from "./answer";
import { focusPager } from "./focus";
import { Icon } from "./icon";
import { Dots } from "./pieces";
import { QuestionView } from "./question";

/** Within this many pixels of the end the reader counts as being there. */
const NEAR_END = 80;

export function Transcript({ chat }: { chat: Chat }) {
  const items = chat.items.value;
  const scroller = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const stay = useRef(true);
  const lastQuestion = items.findLast((item) => item.kind === "question")?.id;
  const followed = useRef<string>(undefined);

  const toEnd = (behavior: ScrollBehavior): void => {
    scroller.current?.scrollTo({ top: scroller.current.scrollHeight, behavior });
  };
  useLayoutEffect(() => {
    const chosen = chat.takeChosen();
    if (chosen !== undefined) {
      stay.current = false;
      focusPager(chosen.messageId, chosen.step === "left" ? 0 : 1);
    } else if (stay.current || followed.current !== lastQuestion) {
      stay.current = true;
      toEnd("instant");
    }
    followed.current = lastQuestion;
  }, [chat, items, lastQuestion]);

  const onScroll = (): void => {
    const element = scroller.current;
    if (element === null) return;
    stay.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END;
    setAtEnd(stay.current);
  };

  return (
    <div class="transcript-frame">
      <div id="messages" class="transcript" ref={scroller} onScroll={onScroll} tabIndex={0} role="region" aria-label="Messages">
        <div class="column">
          <h2 class="sr-only">Messages</h2>
          {chat.hasEarlier.value && (
            <button type="button" class="button button-quiet earlier" onClick={() => void chat.loadEarlier()}>
              Show earlier messages
            </button>
          )}
          {items.map((item, index) => (
            <ItemView key={`${item.kind} ${item.id}`} item={item} chat={chat} last={index === items.length - 1} />
          ))}
          <Waiting chat={chat} />
        </div>
      </div>
      {!atEnd && (
        <button type="button" class="to-end" onClick={() => toEnd("smooth")}>
          <Icon name="down" size={16} /> Latest
        </button>
      )}
      <Announcer items={items} />
    </div>
  );
}

function ItemView({ item, chat, last }: { item: Item; chat: Chat; last: boolean }) {
  if (item.kind === "answer") return <AnswerView answer={item} chat={chat} last={last} />;
  if (item.kind === "failure") return <FailureView failure={item} chat={chat} />;
  return <QuestionView question={item} chat={chat} />;
}

function FailureView({ failure, chat }: { failure: Failure; chat: Chat }) {
  const { title, advice } = explainReason(failure.reason);
  const question = chat.items.value.find((item) => item.kind === "question" && item.turnId === failure.turnId);
  return (
    <div class="callout callout-bad" role="alert">
      <Icon name="alert" />
      <div>
        <p class="callout-title">{title}</p>
        <p>{advice}</p>
      </div>
      {failure.retryable && question?.kind === "question" && (
        <button type="button" class="button" disabled={chat.busy.value} onClick={() => void chat.send(question.text)}>
          <Icon name="retry" size={16} /> Ask again
        </button>
      )}
    </div>
  );
}

/** Shows that a message is on its way, and who else types. */
function Waiting({ chat }: { chat: Chat }) {
  const { running, sending, typist } = chat;
  if (typist.value !== undefined) {
    return <p class="typing"><Dots /> {typist.value === api.MessageRole.AGENT ? "Support agent" : "Somebody"} is typing</p>;
  }
  const pending = chat.items.value.at(-1)?.kind === "question" && sending.value > 0;
  return pending && running.value === undefined ? <p class="typing"><Dots /> <span>Sending</span></p> : null;
}

/** Tells screen readers of answers: that one begins, and all of it once it is whole. */
function Announcer({ items }: { items: readonly Item[] }) {
  const [text, setText] = useState("");
  const last = items.findLast((item): item is Answer => item.kind === "answer");
  const seen = useRef(last?.state === "complete" ? last.id : "");
  const state = last?.state;
  const id = last?.id;
  useEffect(() => {
    if (last === undefined || state === undefined) return;
    if (state === "waiting") setText("Deskwire is answering.");
    else if (state === "cancelled" && seen.current !== id) setText("The answer was stopped.");
    else if (state === "complete" && seen.current !== id) setText(`Deskwire: ${last.text.replaceAll(/[*_`#|]|\[\d+\]/g, "")}`);
    if (state !== "waiting" && state !== "streaming") seen.current = id ?? "";
    // The text is read once the state says that it is whole.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [id, state]);
  return <div class="sr-only" aria-live="polite" aria-atomic="true">{text}</div>;
}
