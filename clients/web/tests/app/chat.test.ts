// @vitest-environment jsdom
/** The model behind the page, with the mock server. */
import { afterEach, describe, expect, it, vi } from "vitest";

import { createMockFetch } from "../../mock/fetch";
import { createMockTransport } from "../../mock/server";
import { World } from "../../mock/world";
import { api, DeskwireClient } from "../../src/lib";
import type { Answer, Question } from "../../src/app/model/transcript";
import { Chat, provider } from "../../src/app/state/chat";
import { closeGap, gaps, gapsState, loadGaps, questionsOf } from "../../src/app/state/gaps";
import { notices } from "../../src/app/state/notices";
import { client } from "../../src/app/state/session";

const QUESTION = "How do I change my plan?";
const open: Chat[] = [];

function setUp(): { world: World; client: DeskwireClient; chat: (id?: string) => Chat; created: string[] } {
  const world = new World();
  world.wordDelay = 1;
  const created: string[] = [];
  const backoff = { baseMs: 1, capMs: 2 };
  const made = new DeskwireClient({ token: "t", transport: createMockTransport(world), fetch: createMockFetch(world), backoff });
  const chat = (id?: string): Chat => {
    const opened = new Chat(made, id, (conversationId) => created.push(conversationId));
    open.push(opened);
    return opened;
  };
  return { world, client: made, chat, created };
}

afterEach(() => {
  for (const chat of open.splice(0)) chat.close();
});

describe("Chat", () => {
  it("asks, shows the answer, and tells the id of a new conversation once", async () => {
    const { chat, created } = setUp();
    const model = chat();
    await model.send(QUESTION);
    expect(model.items.value).toMatchObject([
      { kind: "question", text: QUESTION, state: "sent" },
      { kind: "answer", state: "complete", citations: [{ number: 1 }, { number: 2 }] },
    ]);
    expect(created).toEqual([model.id]);
    expect(provider.value).toBe("builtin");
    expect(model.busy.value).toBe(false);
    await model.send("And how do I cancel it?");
    expect(model.items.value).toHaveLength(4);
    expect(created).toHaveLength(1);
  });

  it("comes through a connection that breaks again and again", async () => {
    const { world, chat } = setUp();
    world.faults.breakAfter = 9;
    const model = chat();
    await model.send(QUESTION);
    expect(model.items.value).toMatchObject([{ state: "sent" }, { state: "complete" }]);
  });

  it("stops an answer and keeps what had come", async () => {
    const { world, chat } = setUp();
    world.wordDelay = 10;
    const model = chat();
    const sent = model.send(QUESTION);
    await vi.waitFor(() => expect(model.running.value?.text).not.toBe(""));
    await vi.waitFor(() => expect(model.running.value).toBeDefined());
    await model.stop();
    await sent;
    expect(model.items.value).toMatchObject([{}, { state: "cancelled" }]);
  });

  it("shows a turn that failed", async () => {
    const { world, chat } = setUp();
    world.faults.failTurns = 1;
    const model = chat();
    await model.send(QUESTION);
    expect(model.items.value.at(-1)).toMatchObject({ kind: "failure", reason: "PROVIDER_UNAVAILABLE", retryable: true });
    const again = chat(model.id);
    await vi.waitFor(() => expect(again.items.value).toMatchObject([{ text: QUESTION }, { kind: "failure" }]));
  });

  it("opens a conversation in mid-answer and sees its end", async () => {
    const { world, chat } = setUp();
    world.wordDelay = 5;
    const first = chat();
    void first.send(QUESTION);
    await vi.waitFor(() => expect(first.running.value?.text ?? "").not.toBe(""));
    const second = chat(first.id);
    await vi.waitFor(() => expect(second.items.value).toMatchObject([{ text: QUESTION }, { state: "complete" }]), 5_000);
    expect(second.items.value.map(({ id }) => id)).toEqual(first.items.value.map(({ id }) => id));
  });

  it("answers again and goes back to the first answer", async () => {
    const { world, chat } = setUp();
    const model = chat();
    await model.send(QUESTION);
    const first = model.items.value[1] as Answer;
    world.faults.breakAfter = 4;
    await model.regenerate(first);
    world.faults.breakAfter = undefined;
    await vi.waitFor(() => expect(model.items.value[1]).toMatchObject({ state: "complete", alternatives: { length: 2 } }));
    const second = model.items.value[1] as Answer;
    expect(model.items.value).toHaveLength(2);
    expect(second.alternatives).toEqual([first.id, second.id]);
    await model.select(first.id);
    expect(model.items.value.map(({ id }) => id)).toEqual([model.items.value[0]?.id, first.id]);
  });

  it("asks a question in other words and keeps what followed the first one", async () => {
    const { chat } = setUp();
    const model = chat();
    await model.send(QUESTION);
    await model.send("And how do I cancel it?");
    const [question] = model.items.value as [Question];
    const watching = chat(model.id);
    await vi.waitFor(() => expect(watching.items.value).toHaveLength(4));
    await model.edit(question, "How do I change my password?");
    await vi.waitFor(() => expect(model.items.value[0]).toMatchObject({ alternatives: { length: 2 } }));
    expect(model.items.value).toMatchObject([{ text: "How do I change my password?" }, { kind: "answer" }]);
    await vi.waitFor(() => expect(watching.items.value.map(({ id }) => id)).toEqual(model.items.value.map(({ id }) => id)));
    await model.select(question.messageId);
    expect(model.items.value).toMatchObject([{ text: QUESTION }, {}, { text: "And how do I cancel it?" }, {}]);
    await vi.waitFor(() => expect(watching.items.value).toHaveLength(4));
  });

  it("opens the branch that was chosen, without going through the others", async () => {
    const { chat } = setUp();
    const model = chat();
    await model.send(QUESTION);
    const first = model.items.value[0] as Question;
    await model.edit(first, "How do I change my password?");
    await vi.waitFor(() => expect(model.items.value[0]).toMatchObject({ alternatives: { length: 2 } }));
    await model.select(first.messageId, "left");
    expect(model.takeChosen()).toEqual({ messageId: first.messageId, step: "left" });
    expect(model.takeChosen()).toBeUndefined();

    const again = chat(model.id);
    const texts: unknown[] = [];
    const stop = again.items.subscribe((items) => texts.push(items.map((item) => (item.kind === "question" ? item.text : item.kind))));
    await vi.waitFor(() => expect(again.connection.value).toBe("open"));
    await again.send("And how do I cancel it?");
    stop();
    expect(texts.filter((shown) => JSON.stringify(shown).includes("password"))).toEqual([]);
    expect(again.items.value).toHaveLength(4);
  });

  it("shows the earlier answer again when there is no other one", async () => {
    const { world, chat } = setUp();
    const model = chat();
    await model.send(QUESTION);
    const first = model.items.value[1] as Answer;
    world.faults.failTurns = 1;
    await model.regenerate(first);
    await vi.waitFor(() => expect(model.items.value.map(({ id }) => id)).toEqual([model.items.value[0]?.id, first.id]));
    expect(notices.value.at(-1)).toMatchObject({ kind: "error", text: "The assistant could not answer" });
  });

  it("shows what was to be replaced again when the other words are taken back", async () => {
    const { world, chat } = setUp();
    const model = chat();
    await model.send(QUESTION);
    const [question] = model.items.value as [Question];
    world.faults.away = true;
    const edited = model.edit(question, "Other words?");
    await vi.waitFor(() => expect(model.items.value).toMatchObject([{ text: "Other words?", state: "sending" }]));
    await model.stop();
    await edited;
    expect(model.items.value).toMatchObject([{ state: "refused", replaces: question.messageId }]);
    world.faults.away = false;
    await model.discard(model.items.value[0] as Question);
    expect(model.items.value).toMatchObject([{ text: QUESTION }, { kind: "answer" }]);
  });

  it("tells what the reader thinks of an answer, and remembers it", async () => {
    const { world, chat } = setUp();
    const model = chat();
    await model.send(QUESTION);
    const answer = (): Answer => model.items.value[1] as Answer;
    expect(answer().sentiment).toBe(api.FeedbackSentiment.UNSPECIFIED);
    await model.judge(answer(), api.FeedbackSentiment.NEGATIVE);
    await model.judge(answer(), api.FeedbackSentiment.POSITIVE);
    expect(answer().sentiment).toBe(api.FeedbackSentiment.POSITIVE);

    const again = chat(model.id);
    await vi.waitFor(() => expect(again.items.value[1]).toMatchObject({ sentiment: api.FeedbackSentiment.POSITIVE }));
    world.faults.away = true;
    const judging = again.judge(again.items.value[1] as Answer, api.FeedbackSentiment.NEGATIVE);
    expect(again.items.value[1]).toMatchObject({ sentiment: api.FeedbackSentiment.NEGATIVE });
    await judging;
    expect(again.items.value[1]).toMatchObject({ sentiment: api.FeedbackSentiment.POSITIVE });
    expect(notices.value.at(-1)).toMatchObject({ kind: "error" });
  });

  it("lists open questions and closes them", async () => {
    const { world, client: connected } = setUp();
    const signedIn = vi.spyOn(client, "value", "get").mockReturnValue(connected);
    await loadGaps();
    expect(gaps.value.map(({ question }) => question)).toEqual(["Can I pay by invoice?", "Is there an app for my phone?"]);
    const [first, second] = gaps.value as [api.KnowledgeGap, api.KnowledgeGap];
    expect((await questionsOf(first.id)).map(({ text }) => text)).toEqual([first.question]);
    await closeGap(first.id, "article");
    expect(gaps.value).toEqual([second]);
    world.faults.away = true;
    await closeGap(second.id);
    expect(gaps.value).toEqual([second]);
    await loadGaps();
    expect(gapsState.value).toBe("failed");
    signedIn.mockRestore();
  });

  it("says why a conversation can't be opened", async () => {
    const { chat } = setUp();
    const model = chat("0199aaaa-0000-7000-8000-000000000001");
    await vi.waitFor(() => expect(model.load.value).toBe("failed"));
    expect(model.loadError.value?.message).toBe("no conversation with this id");
  });
});
