/** Answers messages on the mock server, word by word. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampNow } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";

import { api, newRequestId } from "../src/lib";
import { compose, type Draft } from "./answers";
import type { Room, World } from "./world";

const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Commits a message and starts its turn; a repeat under the same request id gives the first turn. */
export function accept(world: World, room: Room, message: api.UserMessage): { turnId: string; sequence: bigint } {
  const known = room.messages.find((other) => message.requestId !== "" && other.requestId === message.requestId);
  if (known !== undefined) return { turnId: known.turnId, sequence: known.sequence };
  const turnId = newRequestId();
  const replaced = room.messages.find(({ id }) => id === message.replacesMessageId);
  const question = create(api.MessageSchema, {
    id: newRequestId(),
    conversationId: room.conversation.id,
    role: api.MessageRole.USER,
    text: message.text,
    createTime: timestampNow(),
    sequence: BigInt(room.events.length + 1),
    turnId,
    state: api.MessageState.COMPLETE,
    requestId: message.requestId,
    parentMessageId: replaced ? replaced.parentMessageId : room.head,
  });
  room.messages.push(question);
  room.setHead(question.id);
  room.conversation.title ||= message.text.slice(0, 80);
  room.conversation.messageCount = room.messages.length;
  const accepted = create(api.MessageAcceptedSchema, { message: question });
  const { sequence } = room.commit(turnId, { case: "messageAccepted", value: accepted });
  void run(world, room, turnId, question);
  return { turnId, sequence };
}

/** Starts another turn for a question, named by its id or that of an answer. */
export function acceptAgain(world: World, room: Room, { messageId, requestId }: api.RegenerateAnswerRequest): { turnId: string; sequence: bigint } {
  const known = room.again.get(requestId);
  if (known !== undefined) return known;
  const named = room.messages.find(({ id }) => id === messageId);
  const question = named?.role === api.MessageRole.USER ? named : room.messages.find(({ id }) => id === named?.parentMessageId);
  if (question === undefined) throw new ConnectError("no message with this id", Code.NotFound);
  const turnId = newRequestId();
  room.setHead(question.id);
  const accepted = create(api.RegenerationAcceptedSchema, { questionMessageId: question.id });
  const { sequence } = room.commit(turnId, { case: "regenerationAccepted", value: accepted });
  room.again.set(requestId, { turnId, sequence });
  void run(world, room, turnId, question);
  return { turnId, sequence };
}

async function run(world: World, room: Room, turnId: string, question: api.Message): Promise<void> {
  const messageId = newRequestId();
  const typing = { role: api.MessageRole.ASSISTANT, isTyping: true, estimatedResponseTime: durationFromMs(600) };
  room.running = { messageId, turnId, questionId: question.id, attempt: 1, text: "", stopped: false };
  const { running } = room;
  room.conversation.activeTurnId = turnId;
  room.commit(turnId, { case: "turnStarted", value: create(api.TurnStartedSchema, { messageId, attempt: 1 }) });
  room.tell(turnId, { case: "typing", value: create(api.TypingSchema, typing) });
  await sleep(world.wordDelay * 15);
  const draft = compose(world.articles.values(), question.text);
  const citations = { messageId, citations: draft.citations };
  room.tell(turnId, { case: "citationsFound", value: create(api.CitationsFoundSchema, citations) });
  for (const word of draft.text.match(/\s*\S+/g) ?? []) {
    if (running.stopped) break;
    const offset = Array.from(running.text).length;
    running.text += word;
    room.tell(turnId, { case: "textDelta", value: create(api.TextDeltaSchema, { messageId, attempt: 1, offset, text: word }) });
    await sleep(world.wordDelay);
  }
  room.running = undefined;
  room.conversation.activeTurnId = "";
  finish(world, room, turnId, running, draft);
}

function finish(world: World, room: Room, turnId: string, running: NonNullable<Room["running"]>, draft: Draft): void {
  const answer = answerOf(room, turnId, running, draft);
  if (running.stopped) {
    answer.state = api.MessageState.CANCELLED;
    keep(room, answer);
    room.commit(turnId, { case: "turnCancelled", value: create(api.TurnCancelledSchema, { partialMessage: answer }) });
  } else if ((world.faults.failTurns ?? 0) > 0) {
    world.faults.failTurns = (world.faults.failTurns ?? 1) - 1;
    const value = { reason: api.ErrorReason.PROVIDER_UNAVAILABLE, message: "no provider could answer", retryable: true };
    room.commit(turnId, { case: "turnFailed", value: create(api.TurnFailedSchema, value) });
  } else {
    keep(room, answer);
    room.commit(turnId, { case: "messageCompleted", value: create(api.MessageCompletedSchema, { message: answer }) });
  }
}

function keep(room: Room, answer: api.Message): void {
  room.messages.push(answer);
  room.setHead(answer.id);
  room.conversation.messageCount = room.messages.length;
}

function answerOf(room: Room, turnId: string, running: NonNullable<Room["running"]>, draft: Draft): api.Message {
  return create(api.MessageSchema, {
    id: running.messageId,
    parentMessageId: running.questionId,
    conversationId: room.conversation.id,
    role: api.MessageRole.ASSISTANT,
    text: running.text,
    createTime: timestampNow(),
    sequence: BigInt(room.events.length + 1),
    turnId,
    state: api.MessageState.COMPLETE,
    answer: {
      intent: draft.intent,
      confidence: draft.grounded ? 0.82 : 0.2,
      citations: draft.citations,
      followUpQuestions: draft.followUps,
      actions: actionsFor(draft),
      provider: "builtin",
      model: "builtin",
      finishReason: api.FinishReason.STOP,
      grounded: draft.grounded,
      processingTime: durationFromMs(900),
    },
  });
}

function actionsFor(draft: Draft): { id: string; label: string; type: string; action: string; variant: string }[] {
  if (!draft.grounded) {
    return [{ id: "escalate", label: "Talk to a person", type: "escalate", action: "I would like to talk to a person", variant: "outline" }];
  }
  if (draft.intent !== "billing") return [];
  return [{ id: "view_billing", label: "Open billing", type: "link", action: "/settings/billing", variant: "primary" }];
}
