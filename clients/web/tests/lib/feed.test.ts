/** The events of a whole tenant, across lost connections. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";

import { api, type ConnectionState, DeskwireClient } from "../../src/lib";
import { broken, refusal } from "./script";

type Step = api.WatchEventsResponse | ConnectError | "silence";

const said = (cursor: string, conversationId: string, sequence: number, messageId = ""): Step =>
  create(api.WatchEventsResponseSchema, {
    cursor,
    userId: "ana",
    event: { conversationId, sequence: BigInt(sequence), turnId: "t", event: { case: "turnStarted", value: { messageId, attempt: 1 } } },
  });
const beat = (cursor: string): Step => create(api.WatchEventsResponseSchema, { cursor, event: { event: { case: "heartbeat", value: {} } } });

function play(connections: Step[][]): { client: DeskwireClient; requests: api.WatchEventsRequest[] } {
  const requests: api.WatchEventsRequest[] = [];
  const transport = createRouterTransport(({ service }) => {
    service(api.AnalyticsService, {
      async *watchEvents(request, { signal }) {
        for (const step of connections[requests.push(request) - 1] ?? []) {
          if (step instanceof ConnectError) throw step;
          if (step === "silence") await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
          else yield step;
        }
      },
    });
  });
  return { client: new DeskwireClient({ token: "t", transport, backoff: { baseMs: 1, capMs: 2 } }), requests };
}

describe("watchEvents", () => {
  it("gives events of many conversations, whatever their sequences, and resumes behind the last cursor", async () => {
    const { client, requests } = play([
      [said("c1", "x", 9), said("c2", "y", 1), beat("c3"), broken()],
      [said("c4", "y", 2), said("c5", "x", 10), "silence"],
    ]);
    const [seen, cursors, states]: [string[], string[], ConnectionState[]] = [[], [], []];
    const options = { fromBeginning: true, onCursor: (cursor: string) => cursors.push(cursor), onState: (state: ConnectionState) => states.push(state) };
    for await (const { event, userId, cursor } of client.watchEvents({ ...options, kinds: ["started", "completed"] })) {
      seen.push(`${userId} ${event.type} ${event.conversationId} ${event.sequence} ${cursor}`);
      if (cursor === "c5") break;
    }
    expect(seen).toEqual(["ana started x 9 c1", "ana started y 1 c2", "ana started y 2 c4", "ana started x 10 c5"]);
    expect(cursors).toEqual(["c1", "c2", "c3", "c4", "c5"]);
    expect(states).toEqual(["connecting", "open", "reconnecting", "reconnecting", "open", "closed"]);
    expect(requests.map(({ cursor, fromBeginning }) => [cursor, fromBeginning])).toEqual([["", true], ["c3", false]]);
    expect(requests[0]?.kinds).toEqual([api.EventKind.TURN_STARTED, api.EventKind.MESSAGE_COMPLETED]);
  });

  it("goes on from a cursor that was kept, and tells when that is gone", async () => {
    const { client, requests } = play([[refusal(Code.NotFound, "CURSOR_EXPIRED")]]);
    await expect(client.watchEvents({ cursor: "old" }).next()).rejects.toMatchObject({ reason: "CURSOR_EXPIRED" });
    expect(requests).toMatchObject([{ cursor: "old", fromBeginning: false, kinds: [] }]);
  });

  it("ends with its signal", async () => {
    const { client } = play([[said("c1", "x", 1), "silence"]]);
    const controller = new AbortController();
    const events = client.watchEvents({ signal: controller.signal });
    expect((await events.next()).value).toMatchObject({ cursor: "c1" });
    const next = events.next();
    controller.abort();
    await expect(next).rejects.toMatchObject({ reason: "CANCELLED" });
  });
});
