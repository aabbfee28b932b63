/** One answer: its text with chips, its sources, what can be done next. */
import { useCallback } from "preact/hooks";

import { api } from "../../lib";
import { type Answer, isRunning } from "../model/transcript";
import type { Chat } from "../state/chat";
import { openSource } from "../state/layout";
import { fullTime } from "../text/time";
import { BranchPager } from "./branch-pager";
import { focusConversation } from "./focus";
import { Icon, type IconName, Logo } from "./icon";
import { copyText, Markdown } from "./markdown";
import { Dots, IconButton } from "./pieces";

const SLOW_MS = 3_000;

export function AnswerView({ answer, chat, last }: { answer: Answer; chat: Chat; last: boolean }) {
  const running = isRunning(answer);
  const { citations } = answer;
  const open = useCallback(
    (number: number) => {
      openSource.value = citations.find((citation) => citation.number === number);
    },
    [citations],
  );
  return (
    <article class={`answer answer-${answer.state}`} aria-label={nameOf(answer.role)} aria-busy={running}>
      <span class="answer-mark">{answer.role === api.MessageRole.AGENT ? <Icon name="person" /> : <Logo size={26} />}</span>
      <div class="answer-body">
        {answer.text === "" && running ? (
          <Thinking estimateMs={chat.estimateMs.value} />
        ) : (
          <Markdown source={answer.text} sources={citations} streaming={running} onCitation={open} />
        )}
        {answer.state === "cancelled" && <p class="answer-note"><Icon name="stop" size={12} /> Stopped</p>}
        {answer.state === "failed" && <p class="answer-note">This answer is not complete.</p>}
        {!running && <Sources citations={citations} onOpen={open} />}
        {!running && <Actions answer={answer} chat={chat} />}
        {!running && <Tools answer={answer} chat={chat} />}
        {!running && last && <FollowUps answer={answer} chat={chat} />}
      </div>
    </article>
  );
}

function Thinking({ estimateMs = 0 }: { estimateMs: number | undefined }) {
  const words = estimateMs >= SLOW_MS ? `Thinking, about ${Math.round(estimateMs / 1000)} seconds` : "Thinking";
  return <p class="typing"><Dots /> <span>{words}</span></p>;
}

function Sources({ citations, onOpen }: { citations: readonly api.Citation[]; onOpen: (number: number) => void }) {
  if (citations.length === 0) return null;
  return (
    <div class="sources">
      <p class="sources-title" aria-hidden="true">Sources</p>
      <ol class="sources-list" aria-label="Sources">
        {citations.map(({ number, title, headingPath }) => (
          <li key={number}>
            <button type="button" class="source-card" onClick={() => onOpen(number)}>
              <span class="source-number">{number}</span>
              <span class="source-words">
                <span class="source-name">{title}</span>
                {headingPath.length > 0 && <span class="source-place">{headingPath.join(" › ")}</span>}
              </span>
            </button>
          </li>
        ))}
      </ol>
    </div>
  );
}

function Actions({ answer, chat }: { answer: Answer; chat: Chat }) {
  const actions = answer.details?.actions ?? [];
  if (actions.length === 0) return null;
  return <div class="actions">{actions.map((action) => <ActionButton key={action.id} action={action} chat={chat} />)}</div>;
}

function ActionButton({ action, chat }: { action: api.Action; chat: Chat }) {
  const style = action.variant === "primary" ? "button button-primary" : action.variant === "ghost" ? "button button-quiet" : "button";
  const tip = action.description || undefined;
  if (action.type === "link") {
    if (!/^(https?:\/\/|\/(?!\/))/i.test(action.action)) return null;
    return (
      <a class={style} href={action.action} target="_blank" rel="noopener noreferrer" title={tip}>
        {action.label} <Icon name="external" size={15} />
      </a>
    );
  }
  const text = action.type === "message" ? action.action : action.label;
  return (
    <button type="button" class={style} title={tip} disabled={chat.ended.value} onClick={() => void chat.send(text)}>
      {action.type === "escalate" && <Icon name="person" size={16} />} {action.label}
    </button>
  );
}

function Tools({ answer, chat }: { answer: Answer; chat: Chat }) {
  if (answer.text === "") return null;
  const { model = "", provider = "", grounded = false } = answer.details ?? {};
  const origin = provider === "builtin" ? grounded && "Quoted from your articles" : model;
  return (
    <div class="tools">
      <BranchPager label="Answers to this question" id={answer.id} alternatives={answer.alternatives} chat={chat} />
      <IconButton icon="copy" size={15} label="Copy the answer" onClick={() => void copyText(answer.text, "Answer copied")} />
      <AnswerAgain answer={answer} chat={chat} />
      <Thumbs answer={answer} chat={chat} />
      <span class="tools-facts" title={fullTime(answer.time)}>{origin}</span>
    </div>
  );
}

function AnswerAgain({ answer, chat }: { answer: Answer; chat: Chat }) {
  if (!chat.isOwn || answer.role !== api.MessageRole.ASSISTANT || chat.ended.value) return null;
  const ask = (): void => {
    void chat.regenerate(answer);
    focusConversation();
  };
  return <IconButton icon="retry" size={15} label="Answer again" disabled={chat.busy.value} onClick={ask} />;
}

/** Only under whole answers of the assistant, and only for the person who asked. */
function Thumbs({ answer, chat }: { answer: Answer; chat: Chat }) {
  if (!chat.isOwn || answer.role !== api.MessageRole.ASSISTANT || answer.state !== "complete") return null;
  const { POSITIVE, NEGATIVE } = api.FeedbackSentiment;
  return (
    <span class="thumbs" role="group" aria-label="Was this answer helpful?">
      <Thumb icon="thumbUp" label="Good answer" sentiment={POSITIVE} answer={answer} chat={chat} />
      <Thumb icon="thumbDown" label="Bad answer" sentiment={NEGATIVE} answer={answer} chat={chat} />
    </span>
  );
}

function Thumb(props: { icon: IconName; label: string; sentiment: api.FeedbackSentiment; answer: Answer; chat: Chat }) {
  const { icon, label, sentiment, answer, chat } = props;
  const onClick = (): void => void chat.judge(answer, sentiment);
  return <IconButton icon={icon} size={15} label={label} pressed={answer.sentiment === sentiment} onClick={onClick} />;
}

function FollowUps({ answer, chat }: { answer: Answer; chat: Chat }) {
  const questions = answer.details?.followUpQuestions ?? [];
  if (questions.length === 0 || chat.ended.value) return null;
  return (
    <ul class="follow-ups" aria-label="Suggested questions">
      {questions.map((question) => (
        <li key={question}>
          <button type="button" class="follow-up" onClick={() => void chat.send(question)}>{question}</button>
        </li>
      ))}
    </ul>
  );
}

function nameOf(role: api.MessageRole): string {
  if (role === api.MessageRole.AGENT) return "Support agent";
  return role === api.MessageRole.SYSTEM ? "Notice" : "Deskwire";
}
