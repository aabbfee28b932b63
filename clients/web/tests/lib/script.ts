/** A chat service that plays what a test wrote, connection by connection. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";

import { api, DeskwireClient, type DeskwireClientOptions, type DeskwireEvent } from "../../src/lib";

type Event = MessageInitShape<typeof api.ConversationEventSchema>;

/** What a connection does next: send an event or several at once, fail, or wait until the client leaves. */
export type Step = Event | Event[] | ConnectError | "silence";

export const CONVERSATION = "0199aaaa-0000-7000-8000-000000000001";
export const TURN = "0199aaaa-0000-7000-8000-0000000000a1";
export const ANSWER = "0199aaaa-0000-7000-8000-0000000000b1";

/** The requests that arrived, in order. */
export interface Played {
  client: DeskwireClient;
  sends: api.SendMessageRequest[];
  regenerations: api.RegenerateAnswerRequest[];
  watches: api.WatchConversationRequest[];
  /** How many connections the client has let go. */
  left: () => number;
}

/** A client whose server plays one script for each connection. Accepted messages get the request id that was sent. */
export function play(connections: Step[][], options: Partial<DeskwireClientOptions> = {}): Played {
  const sends: api.SendMessageRequest[] = [];
  const regenerations: api.RegenerateAnswerRequest[] = [];
  const watches: api.WatchConversationRequest[] = [];
  let next = 0;
  let left = 0;
  async function* connection(requestId: string, signal: AbortSignal): AsyncGenerator<{ event: api.ConversationEvent | undefined; moreEvents: api.ConversationEvent[] }> {
    signal.addEventListener("abort", () => (left += 1));
    for (const step of connections[next++] ?? []) {
      if (step instanceof ConnectError) throw step;
      if (step === "silence") await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      else {
        const events = [step].flat().map((each) => {
          const event = create(api.ConversationEventSchema, { conversationId: CONVERSATION, ...each });
          if (event.event.case === "messageAccepted" && event.event.value.message) {
            event.event.value.message.requestId = requestId;
          }
          return event;
        });
        const [event, ...moreEvents] = events;
        yield { event, moreEvents };
      }
    }
  }
  const transport = createRouterTransport(({ service }) => {
    service(api.ChatService, {
      sendMessage(request, { signal }) {
        sends.push(request);
        return connection(request.message?.requestId ?? "", signal);
      },
      regenerateAnswer(request, { signal }) {
        regenerations.push(request);
        return connection(request.requestId, signal);
      },
      watchConversation(request, { signal }) {
        watches.push(request);
        return connection("", signal);
      },
    });
  });
  const client = new DeskwireClient({ token: "t", transport, backoff: { baseMs: 1, capMs: 2 }, ...options });
  return { client, sends, regenerations, watches, left: () => left };
}

export const accepted = (sequence: number): Event => ({
  sequence: BigInt(sequence),
  turnId: TURN,
  event: { case: "messageAccepted", value: { message: { id: "q", text: "hello", turnId: TURN } } },
});

export const started = (sequence: number, attempt = 1): Event => ({
  sequence: BigInt(sequence),
  turnId: TURN,
  event: { case: "turnStarted", value: { messageId: ANSWER, attempt } },
});

export const text = (offset: number, words: string, attempt = 1): Event => ({
  turnId: TURN,
  event: { case: "textDelta", value: { messageId: ANSWER, attempt, offset, text: words } },
});

export const completed = (sequence: number, words: string): Event => ({
  sequence: BigInt(sequence),
  turnId: TURN,
  event: { case: "messageCompleted", value: { message: { id: ANSWER, text: words, turnId: TURN } } },
});

export const broken = (): ConnectError => new ConnectError("connection reset", Code.Unavailable);

/** An error with the details that a Deskwire server sends. */
export function refusal(code: Code, reason: string, metadata: Record<string, string> = {}): ConnectError {
  const error = new ConnectError("refused", code);
  const info = new BinaryWriter();
  info.tag(1, WireType.LengthDelimited).string(reason).tag(2, WireType.LengthDelimited).string("deskwire");
  for (const [key, value] of Object.entries(metadata)) {
    const entry = new BinaryWriter();
    entry.tag(1, WireType.LengthDelimited).string(key).tag(2, WireType.LengthDelimited).string(value);
    info.tag(3, WireType.LengthDelimited).bytes(entry.finish());
  }
  error.details.push({ type: "google.rpc.ErrorInfo", value: info.finish() });
  return error;
}

/** All events of an iterator, as short words: `accepted`, `text:…`, `missed …`. */
export async function words(events: AsyncIterable<DeskwireEvent>): Promise<string[]> {
  const said: string[] = [];
  for await (const event of events) {
    if (event.type === "missed") said.push(`missed ${event.reason} ${event.resumedAfter}`);
    else said.push(event.type === "text" ? `text:${event.text}` : event.type);
  }
  return said;
}
