/** What a conversation shows after its events. */
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";

import { api, type DeskwireEvent } from "../../src/lib";
import { branches, type Item, itemOf, prepend, reduce, runningAnswer } from "../../src/app/model/transcript";

const base = { sequence: 0n, conversationId: "c", turnId: "t", time: new Date(0) };
const question = create(api.MessageSchema, { id: "q", turnId: "t", role: api.MessageRole.USER, text: "Hi?", requestId: "r" });
const answer = create(api.MessageSchema, {
  id: "a", turnId: "t", role: api.MessageRole.ASSISTANT, text: "Hello.", answer: { followUpQuestions: ["More?"] },
});
const accepted: DeskwireEvent = { ...base, type: "accepted", message: question, queuePosition: 0 };
const started: DeskwireEvent = { ...base, type: "started", messageId: "a", attempt: 1 };
const grown = (text: string, attempt = 1): DeskwireEvent => ({ ...base, type: "text", messageId: "a", attempt, text, delta: text });
const completed: DeskwireEvent = { ...base, type: "completed", message: answer };

function after(...events: DeskwireEvent[]): readonly Item[] {
  return events.reduce<readonly Item[]>((items, event) => reduce(items, event, new Date(0)), []);
}

describe("reduce", () => {
  it("follows a turn from question to answer", () => {
    expect(after(accepted, started)).toMatchObject([{ kind: "question", id: "r", state: "sent" }, { id: "a", state: "waiting" }]);
    expect(runningAnswer(after(accepted, started, grown("Hel")))).toMatchObject({ text: "Hel", state: "streaming" });
    expect(after(accepted, started, grown("Hel"), completed)).toMatchObject([{}, { text: "Hello.", state: "complete" }]);
  });

  it("gives the same when everything comes twice, late pieces included", () => {
    const once = after(accepted, started, grown("Hel"), completed);
    expect(after(accepted, started, grown("Hel"), completed, accepted, started, grown("Hel"), completed)).toEqual(once);
  });

  it("takes the place of the message that is being sent", () => {
    const sending: Item = { kind: "question", id: "r", messageId: "", turnId: "", text: "Hi?", time: new Date(0), state: "sending", alternatives: [] };
    expect(reduce([sending], accepted, new Date(0))).toMatchObject([{ id: "r", messageId: "q", state: "sent" }]);
  });

  it("voids what an earlier attempt wrote", () => {
    const again: DeskwireEvent = { ...base, type: "started", messageId: "a", attempt: 2 };
    expect(after(accepted, started, grown("old"), again)).toMatchObject([{}, { text: "", state: "waiting" }]);
    expect(after(accepted, started, grown("old"), grown("new", 2))).toMatchObject([{}, { text: "new", attempt: 2 }]);
  });

  it("has the sources of the whole answer, also where they are fewer than while it was written", () => {
    const sources = [1, 2].map((number) => create(api.CitationSchema, { number, title: `Source ${number}` }));
    const cited: DeskwireEvent = { ...base, type: "citations", messageId: "a", citations: sources };
    const details = create(api.AnswerDetailsSchema, { citations: sources.slice(1) });
    const whole = create(api.MessageSchema, { ...answer, text: "A [1] and B [2].", answer: details });
    const ended: DeskwireEvent = { ...base, type: "completed", message: whole };
    expect(after(accepted, started, cited, grown("A [1]"))).toMatchObject([{}, { citations: sources }]);
    expect(after(accepted, started, cited, grown("A [1]"), ended)).toMatchObject([{}, { citations: [{ number: 2 }] }]);
    expect(after(accepted, started, cited, grown("A [1]"), completed)).toMatchObject([{}, { citations: [] }]);
  });

  it("keeps the partial text of a stopped answer", () => {
    const cancelled: DeskwireEvent = { ...base, type: "cancelled", abandoned: false, partial: undefined };
    expect(after(accepted, started, grown("Hel"), cancelled)).toMatchObject([{}, { text: "Hel", state: "cancelled" }]);
  });

  it("shows a failure in place of an answer without text", () => {
    const failed: DeskwireEvent = {
      ...base, type: "failed", reason: "PROVIDER_UNAVAILABLE", explanation: "", retryable: true, partial: undefined,
    };
    expect(after(accepted, started, failed)).toMatchObject([{ kind: "question" }, { kind: "failure", retryable: true }]);
    expect(after(accepted, started, grown("Hel"), failed).map(({ kind }) => kind)).toEqual(["question", "answer", "failure"]);
  });

  it("leaves out what does not belong to the branch that begins", () => {
    const shown = after(accepted, started, completed);
    const other = create(api.MessageSchema, { ...question, id: "q2", turnId: "t2", requestId: "r2" });
    const edited: DeskwireEvent = { ...base, turnId: "t2", type: "accepted", message: other, queuePosition: 0 };
    expect(branches(shown, edited)).toBe(true);
    expect(reduce(shown, edited, new Date(0)).map(({ id }) => id)).toEqual(["r2"]);
    const next = create(api.MessageSchema, { ...other, parentMessageId: "a" });
    const continued: DeskwireEvent = { ...edited, message: next };
    expect(branches(shown, continued)).toBe(false);
    expect(reduce(shown, continued, new Date(0)).map(({ id }) => id)).toEqual(["r", "a", "r2"]);
    const again: DeskwireEvent = { ...base, turnId: "t3", type: "regenerated", questionId: "q", queuePosition: 0 };
    expect(reduce(reduce(shown, continued, new Date(0)), again, new Date(0))).toMatchObject([{ id: "r", turnId: "t3" }]);
    expect(after(accepted, started, completed, again, again)).toMatchObject([{ id: "r", turnId: "t3" }]);
  });

  it("keeps an answer with its question when another one waits", () => {
    const next = create(api.MessageSchema, { ...question, id: "q2", turnId: "t2", requestId: "r2", parentMessageId: "a" });
    const waiting: DeskwireEvent = { ...base, turnId: "t2", type: "accepted", message: next, queuePosition: 1 };
    expect(after(accepted, waiting, started).map(({ id }) => id)).toEqual(["r", "a", "r2"]);
  });
});

it("puts earlier messages in front, each once", () => {
  const items = [itemOf(question, new Date(0)), itemOf(answer, new Date(0))];
  const earlier = [itemOf(create(api.MessageSchema, { ...question, id: "p", requestId: "p" }), new Date(0)), ...items];
  expect(prepend(items, earlier).map(({ id }) => id)).toEqual(["p", "r", "a"]);
});
