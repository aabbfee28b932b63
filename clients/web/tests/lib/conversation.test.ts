/** Sending and watching across lost connections. */
import { Code } from "@connectrpc/connect";
import { afterEach, describe, expect, it, vi } from "vitest";

import { api, type ConnectionState, DeskwireError } from "../../src/lib";
import { accepted, broken, completed, CONVERSATION, play, refusal, started, type Step, text, TURN, words } from "./script";

afterEach(() => vi.useRealTimers());

describe("send", () => {
  it("yields the events of a turn and ends with it", async () => {
    const { client, sends } = play([[accepted(1), started(2), text(0, "Hel"), text(3, "lo"), completed(3, "Hello")]]);
    const conversation = client.conversation();
    expect(await words(conversation.send("hi"))).toEqual(["accepted", "started", "text:Hel", "text:Hello", "completed"]);
    expect(conversation.id).toBe(CONVERSATION);
    expect(conversation.afterSequence).toBe(3n);
    expect(sends[0]?.afterSequence).toBeUndefined();
  });

  it("resumes after a break without saying anything twice", async () => {
    const { client, sends } = play([
      [accepted(1), started(2), text(0, "one "), broken()],
      [accepted(1), started(2), text(0, "one two "), text(8, "three"), broken()],
      [text(0, "one two three"), completed(3, "one two three")],
    ]);
    expect(await words(client.conversation().send("hi"))).toEqual([
      "accepted", "started", "text:one ", "text:one two ", "text:one two three", "text:one two three", "completed",
    ].filter((word, index, all) => word !== all[index - 1]));
    expect(sends.map((request) => request.afterSequence)).toEqual([undefined, 2n, 2n]);
  });

  it("takes several events at once, and resumes behind the last of them", async () => {
    const { client, sends } = play([
      [[accepted(1), started(2), text(0, "one ")], broken()],
      [[text(0, "one two "), text(8, "three"), completed(3, "one two three")]],
    ]);
    expect(await words(client.conversation().send("hi"))).toEqual([
      "accepted", "started", "text:one ", "text:one two ", "text:one two three", "completed",
    ]);
    expect(sends.map((request) => [request.bundleEvents, request.afterSequence])).toEqual([[true, undefined], [true, 2n]]);
  });

  it("repeats the same request, so that the server can join the turn", async () => {
    const { client, sends } = play([[broken()], [accepted(1), broken()], [completed(2, "x")]]);
    await words(client.conversation().send("hi"));
    const [first, ...others] = sends;
    expect(first?.message?.requestId).toMatch(/^[0-9a-f-]{36}$/);
    for (const other of others) {
      expect(other.message).toEqual(first?.message);
      expect(other.target).toEqual(first?.target);
    }
  });

  it("uses another request id for another message", async () => {
    const { client, sends } = play([[accepted(1), completed(2, "x")], [accepted(3), completed(4, "y")]]);
    const conversation = client.conversation();
    await words(conversation.send("a"));
    await words(conversation.send("b"));
    expect(sends[0]?.message?.requestId).not.toBe(sends[1]?.message?.requestId);
    expect(sends[1]?.target).toEqual({ case: "conversationId", value: CONVERSATION });
  });

  it("repeats a failed message to the place it was sent to first", async () => {
    const { client, sends } = play([[accepted(1), refusal(Code.Internal, "INTERNAL")], [accepted(1), completed(2, "x")]]);
    const conversation = client.conversation();
    await expect(words(conversation.send("a", { requestId: "r1" }))).rejects.toThrow("refused");
    expect(conversation.id).toBe(CONVERSATION);
    await words(conversation.send("a", { requestId: "r1" }));
    expect(sends[1]?.target.case).toBe("newConversation");
  });

  it("voids the text of an attempt when another one begins", async () => {
    const { client } = play([
      [accepted(1), started(2), text(0, "first try"), broken()],
      [started(3, 2), text(9, " late", 1), text(0, "second", 2), text(6, " try", 2), completed(4, "second try")],
    ]);
    expect(await words(client.conversation().send("hi"))).toEqual([
      "accepted", "started", "text:first try", "started", "text:second", "text:second try", "completed",
    ]);
  });

  it("counts offsets in code points", async () => {
    const { client } = play([[accepted(1), text(0, "👋🏽 é"), text(4, "🎉!"), text(5, "!?"), completed(2, "")]]);
    expect((await words(client.conversation().send("hi"))).slice(1, -1)).toEqual(["text:👋🏽 é", "text:👋🏽 é🎉!", "text:👋🏽 é🎉!?"]);
  });

  it("resumes when a piece is missing", async () => {
    const { client, sends } = play([
      [accepted(1), text(0, "ab"), text(5, "fg"), completed(2, "never read")],
      [text(0, "abcdefg"), completed(2, "abcdefg")],
    ]);
    expect(await words(client.conversation().send("hi"))).toEqual(["accepted", "text:ab", "text:abcdefg", "completed"]);
    expect(sends).toHaveLength(2);
  });

  it("resumes where a go-away says, and after an end without a last event", async () => {
    const goAway = { event: { case: "goAway" as const, value: { afterSequence: 1n, reconnectAfter: { nanos: 1_000_000 } } } };
    const { client, sends } = play([[accepted(1), goAway], [started(2)], [completed(3, "x")]]);
    expect(await words(client.conversation().send("hi"))).toEqual(["accepted", "started", "completed"]);
    expect(sends.map((request) => request.afterSequence)).toEqual([undefined, 1n, 2n]);
  });

  it("ends with its own turn, not with another one's", async () => {
    const other = { sequence: 1n, turnId: "other", event: { case: "turnCancelled" as const, value: {} } };
    const { client } = play([[other, accepted(2), completed(3, "x")]]);
    expect(await words(client.conversation().send("hi"))).toEqual(["cancelled", "accepted", "completed"]);
  });

  it("passes over kinds of events that it does not know", async () => {
    const { client } = play([[{ event: { case: undefined } }, accepted(1), completed(2, "x")]]);
    expect(await words(client.conversation().send("hi"))).toEqual(["accepted", "completed"]);
  });

  it("throws a typed error at once for what waiting can't mend", async () => {
    const { client, sends } = play([[refusal(Code.FailedPrecondition, "CONVERSATION_CLOSED", { state: "completed" })]]);
    const failure = await words(client.conversation().send("hi")).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(DeskwireError);
    expect(failure).toMatchObject({
      reason: "CONVERSATION_CLOSED", code: Code.FailedPrecondition, metadata: { state: "completed" }, message: "refused",
    });
    expect(sends).toHaveLength(1);
  });

  it("does not wait out a rate limit before the message is accepted, but after", async () => {
    const limited = () => refusal(Code.ResourceExhausted, "RATE_LIMITED");
    const first = play([[limited()]]);
    await expect(words(first.client.conversation().send("hi"))).rejects.toMatchObject({ reason: "RATE_LIMITED" });
    const later = play([[accepted(1), broken()], [limited()], [completed(2, "x")]]);
    expect(await words(later.client.conversation().send("hi"))).toEqual(["accepted", "completed"]);
  });

  it("begins where the server says when events are gone, or the cursor is ahead", async () => {
    const { client, sends } = play([
      [accepted(1), broken()],
      [refusal(Code.NotFound, "CURSOR_EXPIRED", { earliest_sequence: "40" })],
      [started(40), refusal(Code.OutOfRange, "CURSOR_AHEAD", { last_sequence: "7" })],
      [completed(8, "x")],
    ]);
    const conversation = client.conversation();
    expect(await words(conversation.send("hi"))).toEqual([
      "accepted", "missed CURSOR_EXPIRED 39", "started", "missed CURSOR_AHEAD 7", "completed",
    ]);
    expect(sends.map((request) => request.afterSequence)).toEqual([undefined, 1n, 39n, 7n]);
    expect(conversation.afterSequence).toBe(8n);
  });

  it("asks for a fresh token once", async () => {
    const expired = () => refusal(Code.Unauthenticated, "TOKEN_EXPIRED");
    let version = 0;
    const token = ({ refresh }: { refresh: boolean }): string => `t${refresh ? ++version : version}`;
    const { client } = play([[expired()], [accepted(1), completed(2, "x")]], { token });
    expect(await words(client.conversation().send("hi"))).toEqual(["accepted", "completed"]);
    const stale = play([[expired()]], { token: "always the same" });
    await expect(words(stale.client.conversation().send("hi"))).rejects.toMatchObject({ reason: "TOKEN_EXPIRED" });
  });

  it("gives up after a while without any success", async () => {
    const { client, sends } = play([], { giveUpMs: 30 });
    await expect(words(client.conversation().send("hi"))).rejects.toMatchObject({ reason: "CONNECTION_LOST" });
    expect(sends.length).toBeGreaterThan(2);
  });

  it("stops listening when the signal aborts, and lets the connection go", async () => {
    const { client, left } = play([[accepted(1), "silence"]]);
    const controller = new AbortController();
    const events = client.conversation().send("hi", { signal: controller.signal });
    expect((await events.next()).value).toMatchObject({ type: "accepted" });
    const next = events.next();
    controller.abort();
    await expect(next).rejects.toMatchObject({ reason: "CANCELLED", code: Code.Canceled });
    await vi.waitFor(() => expect(left()).toBe(1));
  });

  it("lets the connection go when the loop is left", async () => {
    const { client, left } = play([[accepted(1), "silence"]]);
    for await (const event of client.conversation().send("hi")) if (event.type === "accepted") break;
    await vi.waitFor(() => expect(left()).toBe(1));
  });

  it("takes a silent connection for dead", async () => {
    const { client, sends } = play([[accepted(1), "silence"], [completed(2, "x")]], { silenceMs: 30 });
    expect(await words(client.conversation().send("hi"))).toEqual(["accepted", "completed"]);
    expect(sends).toHaveLength(2);
  });

  it("keeps a connection that beats", async () => {
    const beat = { event: { case: "heartbeat" as const, value: {} } };
    const { client, sends } = play([[accepted(1), beat, beat, completed(2, "x")]], { silenceMs: 1_000 });
    expect(await words(client.conversation().send("hi"))).toEqual(["accepted", "completed"]);
    expect(sends).toHaveLength(1);
  });
});

describe("regenerate", () => {
  const again = (sequence: number): Step => ({
    sequence: BigInt(sequence), turnId: TURN, event: { case: "regenerationAccepted", value: { questionMessageId: "q" } },
  });

  it("yields the events of the new turn through a break, under one request id", async () => {
    const { client, regenerations } = play([
      [again(5), started(6), text(0, "an"), broken()],
      [text(0, "another"), completed(7, "another")],
    ]);
    const conversation = client.conversation({ id: CONVERSATION, afterSequence: 4n });
    expect(await words(conversation.regenerate("first"))).toEqual([
      "regenerated", "started", "text:an", "text:another", "completed",
    ]);
    const [first, second] = regenerations;
    expect(first).toMatchObject({ conversationId: CONVERSATION, messageId: "first" });
    expect(first?.requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(second).toEqual({ ...first, afterSequence: 6n });
    expect(conversation.afterSequence).toBe(7n);
  });

  it("throws what it is refused with", async () => {
    const { client } = play([[refusal(Code.FailedPrecondition, "ANSWER_RUNNING")]]);
    const events = client.conversation({ id: CONVERSATION }).regenerate("a", { whileAnswering: api.WhileAnswering.REFUSE });
    await expect(words(events)).rejects.toMatchObject({ reason: "ANSWER_RUNNING" });
    await expect(words(client.conversation().regenerate("a"))).rejects.toThrow("once it has an id");
  });
});

it("asks in the place of an earlier question", async () => {
  const { client, sends } = play([[accepted(1), completed(2, "x")], [accepted(3), completed(4, "y")]]);
  const conversation = client.conversation({ id: CONVERSATION });
  await words(conversation.send("hi"));
  await words(conversation.send("hi there", { replaces: "q" }));
  expect(sends.map(({ message }) => message?.replacesMessageId)).toEqual(["", "q"]);
});

describe("watch", () => {
  it("goes on behind events that are gone, and anew where a backup was restored", async () => {
    const { client, watches } = play([
      [refusal(Code.NotFound, "CURSOR_EXPIRED", { earliest_sequence: "40" })],
      [started(40), broken()],
      [refusal(Code.OutOfRange, "CURSOR_AHEAD", { last_sequence: "7" })],
      [started(8, 2), "silence"],
    ]);
    const conversation = client.conversation({ id: CONVERSATION, afterSequence: 3n });
    const seen: string[] = [];
    const places: bigint[] = [];
    for await (const event of conversation.watch()) {
      seen.push(event.type === "missed" ? `${event.reason} ${event.resumedAfter}` : `${event.type} ${event.sequence}`);
      places.push(conversation.afterSequence);
      if (event.sequence === 8n) break;
    }
    expect(seen).toEqual(["CURSOR_EXPIRED 39", "started 40", "CURSOR_AHEAD 7", "started 8"]);
    expect(places).toEqual([39n, 40n, 7n, 8n]);
    expect(watches.map(({ afterSequence }) => afterSequence)).toEqual([3n, 39n, 40n, 7n]);
  });

  it("begins after what was seen, and skips what a turn's own stream gave ahead of it", async () => {
    const foreign = { sequence: 2n, turnId: "other", event: { case: "turnStarted" as const, value: { messageId: "m", attempt: 1 } } };
    const { client, watches } = play([[accepted(1), completed(3, "x")], [foreign, completed(3, "x"), accepted(4), "silence"]]);
    const conversation = client.conversation();
    await words(conversation.send("hi"));
    expect(conversation.afterSequence).toBe(1n);
    const controller = new AbortController();
    const seen: string[] = [];
    for await (const event of conversation.watch({ signal: controller.signal })) {
      seen.push(`${event.type} ${event.sequence}`);
      if (event.sequence === 4n) break;
    }
    expect(seen).toEqual(["started 2", "accepted 4"]);
    expect(watches[0]).toMatchObject({ conversationId: CONVERSATION, afterSequence: 1n });
    expect(conversation.afterSequence).toBe(4n);
  });

  it("goes on from a cursor that was kept", async () => {
    const { client, watches } = play([[broken()], [started(8), "silence"]]);
    const conversation = client.conversation({ id: CONVERSATION, afterSequence: 7n });
    for await (const event of conversation.watch()) {
      expect(event).toMatchObject({ type: "started", sequence: 8n, turnId: TURN });
      break;
    }
    expect(watches.map((request) => request.afterSequence)).toEqual([7n, 7n]);
  });
});

it("shows the state of the connection", async () => {
  const { client } = play([[accepted(1), broken()], [completed(2, "x")]]);
  const conversation = client.conversation();
  const states: ConnectionState[] = [];
  const stop = conversation.onState((state) => states.push(state));
  await words(conversation.send("hi"));
  stop();
  expect(states).toEqual(["closed", "connecting", "open", "reconnecting", "open", "closed"]);
});
