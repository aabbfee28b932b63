/** The events of a conversation as plain typed values, with the text of answers put together. */
import { type Duration, durationMs, type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";

import { AnswerText } from "./answer-text";
import { type Citation, type Conversation, type ConversationEvent, ErrorReason, type Message, MessageRole } from "./api";
import type { Reason } from "./errors";

/** What every event carries. */
interface EventBase {
  /** Place in the conversation; `0n` for live events, which have none. */
  readonly sequence: bigint;
  readonly conversationId: string;
  /** The turn it belongs to; empty if to none. */
  readonly turnId: string;
  /** When it happened, by the server's clock. */
  readonly time: Date | undefined;
}

/** The stream stands. */
export interface StatusEvent extends EventBase {
  readonly type: "status";
  readonly conversation: Conversation | undefined;
  /** Provider that answers by default; `builtin` when no model is configured. */
  readonly provider: string;
  /** Parts that are away while the service runs on. */
  readonly degraded: readonly string[];
  readonly latencyMs: number;
}

/** A message of a person is committed: it can't be lost any more. */
export interface AcceptedEvent extends EventBase {
  readonly type: "accepted";
  readonly message: Message;
  readonly queuePosition: number;
}

/** Another answer to an earlier question was asked for: what follows the question is now another branch. */
export interface RegeneratedEvent extends EventBase {
  readonly type: "regenerated";
  readonly questionId: string;
  readonly queuePosition: number;
}

/** An attempt to answer began: text of an earlier one is void. */
export interface StartedEvent extends EventBase {
  readonly type: "started";
  readonly messageId: string;
  readonly attempt: number;
}

/** Somebody types, or stopped. */
export interface TypingEvent extends EventBase {
  readonly type: "typing";
  readonly role: MessageRole;
  readonly isTyping: boolean;
  /** When the first words may be expected, in milliseconds; absent when nobody can tell. */
  readonly estimateMs: number | undefined;
}

/** The text of an answer grew, or began anew (`attempt` is higher then). */
export interface TextEvent extends EventBase {
  readonly type: "text";
  readonly messageId: string;
  readonly attempt: number;
  /** All of the answer so far. */
  readonly text: string;
  /** What came now. */
  readonly delta: string;
}

/** Sources that the running answer may refer to. */
export interface CitationsEvent extends EventBase {
  readonly type: "citations";
  readonly messageId: string;
  readonly citations: readonly Citation[];
}

/** An answer is whole and committed. Ends its turn. */
export interface CompletedEvent extends EventBase {
  readonly type: "completed";
  readonly message: Message;
}

/** The turn ended without an answer. The question is kept. */
export interface FailedEvent extends EventBase {
  readonly type: "failed";
  readonly reason: Reason;
  readonly explanation: string;
  /** Whether asking again may help. */
  readonly retryable: boolean;
  readonly partial: Message | undefined;
}

/** The turn was stopped. */
export interface CancelledEvent extends EventBase {
  readonly type: "cancelled";
  readonly abandoned: boolean;
  readonly partial: Message | undefined;
}

/** The conversation's own fields or state changed. */
export interface ChangedEvent extends EventBase {
  readonly type: "changed";
  readonly conversation: Conversation;
}

/** The place to resume from is gone. What happened meanwhile is in the conversation's messages. */
export interface MissedEvent extends EventBase {
  readonly type: "missed";
  /** Events were kept no longer, or the server was restored from a backup and what came later is not there. */
  readonly reason: "CURSOR_EXPIRED" | "CURSOR_AHEAD";
  /** The stream goes on behind this sequence. */
  readonly resumedAfter: bigint;
}

/** One event of a conversation. Heartbeats and go-aways are dealt with by the client and not passed on. */
export type DeskwireEvent =
  | StatusEvent
  | AcceptedEvent
  | RegeneratedEvent
  | StartedEvent
  | TypingEvent
  | TextEvent
  | CitationsEvent
  | CompletedEvent
  | FailedEvent
  | CancelledEvent
  | ChangedEvent
  | MissedEvent;

/** Whether the event ends its turn. */
export function endsTurn(event: DeskwireEvent): boolean {
  return event.type === "completed" || event.type === "failed" || event.type === "cancelled";
}

/** Tells that events between two connections can't be had any more. */
export function missed(reason: MissedEvent["reason"], resumedAfter: bigint): MissedEvent {
  return { type: "missed", reason, resumedAfter, sequence: 0n, conversationId: "", turnId: "", time: undefined };
}

/** Marks that a piece of text is missing: the stream has to be resumed. */
export const GAP = Symbol("gap");

/** Turns the contract's events into `DeskwireEvent`s; remembers the texts of running answers. */
export class EventReader {
  readonly #answers = new Map<string, AnswerText>();

  /** Returns undefined for what says nothing new, and for kinds of events that this client does not know. */
  read(event: ConversationEvent): DeskwireEvent | typeof GAP | undefined {
    const base: EventBase = {
      sequence: event.sequence,
      conversationId: event.conversationId,
      turnId: event.turnId,
      time: dateOf(event.createTime),
    };
    const { case: kind, value } = event.event;
    switch (kind) {
      case "connectionStatus": {
        const { conversation, provider, degraded, latency } = value;
        return { ...base, type: "status", conversation, provider, degraded, latencyMs: millisecondsOf(latency) ?? 0 };
      }
      case "messageAccepted":
        if (value.message === undefined) return undefined;
        return { ...base, type: "accepted", message: value.message, queuePosition: value.queuePosition };
      case "regenerationAccepted": {
        const { questionMessageId: questionId, queuePosition } = value;
        return { ...base, type: "regenerated", questionId, queuePosition };
      }
      case "turnStarted":
        this.#answer(value.messageId).begin(value.attempt);
        return { ...base, type: "started", messageId: value.messageId, attempt: value.attempt };
      case "typing": {
        const estimateMs = millisecondsOf(value.estimatedResponseTime);
        return { ...base, type: "typing", role: value.role, isTyping: value.isTyping, estimateMs };
      }
      case "textDelta":
        return this.#readText(base, value.messageId, value.attempt, value.offset, value.text);
      case "citationsFound":
        return { ...base, type: "citations", messageId: value.messageId, citations: value.citations };
      case "messageCompleted":
        if (value.message === undefined) return undefined;
        this.#answers.delete(value.message.id);
        return { ...base, type: "completed", message: value.message };
      case "turnFailed": {
        const { retryable, partialMessage: partial, message: explanation } = value;
        return { ...base, type: "failed", reason: reasonOf(value.reason), explanation, retryable, partial };
      }
      case "turnCancelled": {
        const abandoned = value.reason === ErrorReason.ABANDONED;
        return { ...base, type: "cancelled", abandoned, partial: value.partialMessage };
      }
      case "conversationChanged":
        if (value.conversation === undefined) return undefined;
        return { ...base, type: "changed", conversation: value.conversation };
      default:
        return undefined;
    }
  }

  #answer(messageId: string): AnswerText {
    let answer = this.#answers.get(messageId);
    if (answer === undefined) this.#answers.set(messageId, (answer = new AnswerText()));
    return answer;
  }

  #readText(
    base: EventBase,
    messageId: string,
    attempt: number,
    offset: number,
    piece: string,
  ): TextEvent | typeof GAP | undefined {
    const answer = this.#answer(messageId);
    const before = answer.text;
    const outcome = answer.add(attempt, offset, piece);
    if (outcome === "gap") return GAP;
    if (outcome === "known") return undefined;
    const delta = outcome === "grown" ? answer.text.slice(before.length) : answer.text;
    return { ...base, type: "text", messageId, attempt, text: answer.text, delta };
  }
}

function dateOf(time: Timestamp | undefined): Date | undefined {
  return time && timestampDate(time);
}

function millisecondsOf(duration: Duration | undefined): number | undefined {
  return duration && durationMs(duration);
}

function reasonOf(reason: ErrorReason): Reason {
  return reason === ErrorReason.UNSPECIFIED || !(reason in ErrorReason) ? "UNKNOWN" : (ErrorReason[reason] as Reason);
}
