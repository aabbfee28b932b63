/** What a conversation shows, as a pure function of its messages and events. */
import { api, type DeskwireError, type DeskwireEvent, type Reason } from "../../lib";

/** Something a person asked. */
export interface Question {
  readonly kind: "question";
  /** The request id it was sent under, or its message id when it came from elsewhere. */
  readonly id: string;
  readonly messageId: string;
  readonly turnId: string;
  readonly text: string;
  readonly time: Date;
  readonly state: "sending" | "sent" | "refused";
  readonly error?: DeskwireError;
  /** Messages in the same place on other branches, this one included; empty when there are none. */
  readonly alternatives: readonly string[];
  /** The earlier question that this one replaces, while it is being sent. */
  readonly replaces?: string;
}

/** Something that was answered, whole or still growing. */
export interface Answer {
  readonly kind: "answer";
  readonly id: string;
  readonly turnId: string;
  readonly role: api.MessageRole;
  readonly text: string;
  readonly attempt: number;
  readonly time: Date;
  readonly state: "waiting" | "streaming" | "complete" | "cancelled" | "failed";
  readonly citations: readonly api.Citation[];
  readonly details?: api.AnswerDetails;
  /** What the reader thinks of it. */
  readonly sentiment: api.FeedbackSentiment;
  /** Answers to the same question on other branches, this one included; empty when there are none. */
  readonly alternatives: readonly string[];
}

/** A turn that ended without an answer. */
export interface Failure {
  readonly kind: "failure";
  readonly id: string;
  readonly turnId: string;
  readonly reason: Reason;
  readonly retryable: boolean;
}

export type Item = Question | Answer | Failure;

const UNJUDGED = api.FeedbackSentiment.UNSPECIFIED;

/** The items for a message of a list. */
export function itemOf(message: api.Message, time: Date): Item {
  if (message.role === api.MessageRole.USER) return questionOf(message, time);
  return answerOf(message, time);
}

/** Adds earlier messages in front, without those that are there. */
export function prepend(items: readonly Item[], earlier: readonly Item[]): Item[] {
  const known = new Set(items.map(keyOf));
  return [...earlier.filter((item) => !known.has(keyOf(item))), ...items];
}

/** The items after an event. Events that were seen before change nothing. */
export function reduce(items: readonly Item[], event: DeskwireEvent, now: Date): readonly Item[] {
  const time = event.time ?? now;
  switch (event.type) {
    case "accepted":
      return place(branchBefore(items, event.message), questionOf(event.message, time));
    case "regenerated":
      return branchAfter(items, event.questionId, event.turnId);
    case "started":
      return start(items, event.messageId, event.turnId, event.attempt, time);
    case "text": {
      const started = start(items, event.messageId, event.turnId, event.attempt, time);
      return change(started, event.messageId, { text: event.text, state: "streaming" });
    }
    case "citations":
      return change(items, event.messageId, { citations: event.citations });
    case "completed":
      return place(items, { ...answerOf(event.message, time), sentiment: sentimentOf(items, event.message.id) });
    case "cancelled":
      return stop(items, event.turnId, event.partial, "cancelled", time);
    case "failed": {
      const stopped = stop(items, event.turnId, event.partial, "failed", time);
      const { turnId, reason, retryable } = event;
      return place(stopped, { kind: "failure", id: `failure-${turnId}`, turnId, reason, retryable });
    }
    default:
      return items;
  }
}

/** The items in front of a question or behind it, where another branch begins: what followed is not part of it. */
export function cut(items: readonly Item[], messageId: string, keep: "question" | "nothing"): readonly Item[] {
  const index = items.findIndex((item) => item.kind === "question" && item.messageId === messageId);
  if (index < 0) return items;
  return items.filter((item, place) => place < index + (keep === "question" ? 1 : 0) || isUnsent(item));
}

/** Whether an event begins another branch than the one that is shown. */
export function branches(items: readonly Item[], event: DeskwireEvent): boolean {
  if (event.type === "regenerated") return true;
  return event.type === "accepted" && branchBefore(items, event.message) !== items;
}

/** The items once the reader has said what they think of an answer. */
export function judge(items: readonly Item[], id: string, sentiment: api.FeedbackSentiment): readonly Item[] {
  return items.map((item) => (item.kind === "answer" && item.id === id ? { ...item, sentiment } : item));
}

/** The answer that is being written, if any. */
export function runningAnswer(items: readonly Item[]): Answer | undefined {
  return items.find((item): item is Answer => item.kind === "answer" && isRunning(item));
}

/** Whether an answer may still grow. */
export function isRunning(answer: Answer): boolean {
  return answer.state === "waiting" || answer.state === "streaming";
}

function keyOf(item: Item): string {
  return item.kind === "question" ? item.messageId || item.id : item.id;
}

function isUnsent(item: Item): boolean {
  return item.kind === "question" && item.state !== "sent";
}

/** Without what follows the message that a new question follows, if that is shown and not the newest. */
function branchBefore(items: readonly Item[], message: api.Message): readonly Item[] {
  const isKnown = items.some((item) => item.kind === "question" && item.messageId === message.id);
  const parent = items.find((item) => messageIdOf(item) === message.parentMessageId);
  if (isKnown || (parent === undefined && message.parentMessageId !== "")) return items;
  const end = parent ? items.findLastIndex((item) => item.turnId === parent.turnId) + 1 : 0;
  const kept = items.filter((item, place) => place < end || isUnsent(item));
  return kept.length === items.length ? items : kept;
}

/** Without what follows a question, which now belongs to the turn that answers it once more. */
function branchAfter(items: readonly Item[], questionId: string, turnId: string): readonly Item[] {
  const question = items.find((item): item is Question => item.kind === "question" && item.messageId === questionId);
  if (question === undefined || question.turnId === turnId) return items;
  return cut(items, questionId, "question").map((item) => (item === question ? { ...question, turnId } : item));
}

/** The id of the message that an item shows. */
export function messageIdOf(item: Item): string | undefined {
  return item.kind === "question" ? item.messageId : item.kind === "answer" ? item.id : undefined;
}

function questionOf(message: api.Message, time: Date): Question {
  const { id: messageId, turnId, text, requestId, alternativeMessageIds: alternatives } = message;
  return { kind: "question", id: requestId || messageId, messageId, turnId, text, time, state: "sent", alternatives };
}

function answerOf(message: api.Message, time: Date): Answer {
  const { id, turnId, role, text, answer: details, alternativeMessageIds: alternatives } = message;
  const citations = details?.citations ?? [];
  const sentiment = message.feedback?.sentiment ?? UNJUDGED;
  const state = stateOf(message);
  const base = { kind: "answer", id, turnId, role, text, time, attempt: 0, state, citations, sentiment, alternatives } as const;
  return details ? { ...base, details } : base;
}

/** Events do not carry feedback: what is known of an answer stays. */
function sentimentOf(items: readonly Item[], id: string): api.FeedbackSentiment {
  const known = items.find((item): item is Answer => item.kind === "answer" && item.id === id);
  return known?.sentiment ?? UNJUDGED;
}

function stateOf(message: api.Message): Answer["state"] {
  if (message.state === api.MessageState.CANCELLED) return "cancelled";
  return message.state === api.MessageState.FAILED ? "failed" : "complete";
}

/** Replaces the item of the same id, or puts the item behind the others of its turn. */
function place(items: readonly Item[], item: Item): readonly Item[] {
  const index = items.findIndex((other) => other.kind === item.kind && other.id === item.id);
  if (index >= 0) return items.with(index, item);
  const last = items.findLastIndex((other) => other.turnId === item.turnId && item.turnId !== "");
  return last < 0 ? [...items, item] : items.toSpliced(last + 1, 0, item);
}

function change(items: readonly Item[], id: string, changes: Partial<Answer>): readonly Item[] {
  return items.map((item) => (item.kind === "answer" && item.id === id && isRunning(item) ? { ...item, ...changes } : item));
}

/** An answer that begins, or begins anew: what an earlier attempt had written is void. */
function start(items: readonly Item[], id: string, turnId: string, attempt: number, time: Date): readonly Item[] {
  const known = items.find((item): item is Answer => item.kind === "answer" && item.id === id);
  if (known && (known.attempt >= attempt || !isRunning(known))) return items;
  const role = api.MessageRole.ASSISTANT;
  return place(items, {
    kind: "answer", id, turnId, role, text: "", attempt, time, state: "waiting", citations: known?.citations ?? [],
    sentiment: UNJUDGED, alternatives: [],
  });
}

function stop(
  items: readonly Item[],
  turnId: string,
  partial: api.Message | undefined,
  state: "cancelled" | "failed",
  time: Date,
): readonly Item[] {
  const placed = partial ? place(items, { ...answerOf(partial, time), state }) : items;
  return placed
    .map((item) => (item.kind === "answer" && item.turnId === turnId && isRunning(item) ? { ...item, state } : item))
    .filter((item) => item.kind !== "answer" || item.turnId !== turnId || item.text !== "" || item.state !== "failed");
}
