/** The small parts: text, cursor, delays, errors, import. */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";

import { api, DeskwireClient, DeskwireError, newRequestId } from "../../src/lib";
import { AnswerText } from "../../src/lib/answer-text";
import { DEFAULT_BACKOFF, delayBefore } from "../../src/lib/backoff";
import { Cursor } from "../../src/lib/cursor";
import { refusal } from "./script";

describe("AnswerText", () => {
  it("joins pieces, whatever part of them is known", () => {
    const answer = new AnswerText();
    expect(answer.add(1, 0, "abc")).toBe("grown");
    expect(answer.add(1, 0, "ab")).toBe("known");
    expect(answer.add(1, 1, "bcd")).toBe("grown");
    expect(answer.add(1, 9, "z")).toBe("gap");
    expect(answer.text).toBe("abcd");
  });

  it("starts anew with a higher attempt and ignores lower ones", () => {
    const answer = new AnswerText();
    answer.add(1, 0, "old");
    expect(answer.add(2, 3, "tail of an attempt whose head was missed")).toBe("gap");
    expect(answer.add(2, 0, "new")).toBe("restarted");
    expect(answer.add(1, 3, "er")).toBe("known");
    expect(answer.text).toBe("new");
  });
});

describe("Cursor", () => {
  it("moves over what has no gap", () => {
    const cursor = new Cursor(2n);
    cursor.note(0n);
    cursor.note(4n);
    expect(cursor.position).toBe(2n);
    expect(cursor.has(4n)).toBe(true);
    cursor.note(3n);
    expect(cursor.position).toBe(4n);
    cursor.note(6n);
    cursor.advance(5n);
    expect(cursor.position).toBe(6n);
  });
});

describe("delayBefore", () => {
  it("grows to its cap, with chance in it", () => {
    const backoff = { baseMs: 100, capMs: 1_000 };
    expect(delayBefore(1, backoff, () => 0)).toBe(50);
    expect(delayBefore(1, backoff, () => 1)).toBe(100);
    expect(delayBefore(3, backoff, () => 0.5)).toBe(300);
    expect(delayBefore(99, backoff, () => 1)).toBe(1_000);
  });

  it("never leaves a server that is back alone for three seconds", () => {
    for (let retry = 1; retry < 100; retry++) expect(delayBefore(retry, DEFAULT_BACKOFF, () => 1)).toBeLessThan(2_500);
  });
});

describe("DeskwireError", () => {
  it("takes reason and facts from the details", () => {
    const error = DeskwireError.from(refusal(Code.Internal, "INTERNAL", { request_id: "r-1" }));
    expect(error).toMatchObject({ reason: "INTERNAL", requestId: "r-1", transient: false });
  });

  it("reads what is to be waited for and which fields are wrong", () => {
    const duration = new BinaryWriter().tag(1, WireType.Varint).int64(2n).tag(2, WireType.Varint).int32(500_000_000).finish();
    const violation = new BinaryWriter()
      .tag(1, WireType.LengthDelimited).string("message.text")
      .tag(2, WireType.LengthDelimited).string("must not be empty")
      .tag(3, WireType.LengthDelimited).string("string.min_len").finish();
    const wrap = (bytes: Uint8Array): Uint8Array => new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(bytes).finish();
    const error = new ConnectError("no", Code.InvalidArgument);
    error.details.push(
      { type: "google.rpc.RetryInfo", value: wrap(duration) },
      { type: "google.rpc.BadRequest", value: wrap(violation) },
    );
    expect(DeskwireError.from(error)).toMatchObject({
      reason: "UNKNOWN", retryAfterMs: 2_500, violations: [{ field: "message.text", description: "must not be empty" }],
    });
  });

  it("reads the JSON form", () => {
    const details = [
      { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "ROLE_TOO_LOW", domain: "deskwire", metadata: { required: "admin" } },
      { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "1.5s" },
    ];
    const error = DeskwireError.fromJson({ code: 7, message: "no", details }, 403);
    expect(error).toMatchObject({ code: Code.PermissionDenied, reason: "ROLE_TOO_LOW", metadata: { required: "admin" }, retryAfterMs: 1_500 });
    expect(DeskwireError.fromJson(undefined, 502)).toMatchObject({ code: Code.Unknown, reason: "UNKNOWN" });
  });

  it("knows a lost connection, a lost worker, and a reason from the future", () => {
    expect(DeskwireError.from(new TypeError("Failed to fetch")).reason).toBe("CONNECTION_LOST");
    expect(DeskwireError.from(new ConnectError("RST_STREAM", Code.Internal)).transient).toBe(true);
    expect(DeskwireError.from(refusal(Code.Aborted, "NOT_YET_INVENTED")).reason).toBe("UNKNOWN");
    expect(DeskwireError.from(new DOMException("gone", "AbortError")).reason).toBe("CANCELLED");
  });
});

describe("importDocuments", () => {
  const document = (sourcePath: string, size = 10) => ({ sourcePath, read: () => Promise.resolve(new Uint8Array(size).fill(65)) });

  it("sends batches, reports large documents, and tells the progress", async () => {
    const bodies: { sourcePath: string; content: string }[][] = [];
    const client = new DeskwireClient({
      token: "secret",
      baseUrl: "http://server",
      fetch: (input, init) => {
        expect(input).toBe("http://server/v1/articles:import");
        expect(init?.headers).toMatchObject({ authorization: "Bearer secret" });
        const body = JSON.parse(init?.body as string) as { sourcePath: string; content: string }[];
        bodies.push(body);
        const results = body.map(({ sourcePath }) => ({ sourcePath, outcome: "IMPORT_OUTCOME_CREATED", articleId: newRequestId() }));
        return Promise.resolve(Response.json({ results, createdCount: results.length }));
      },
    });
    const documents = [...Array.from({ length: 20 }, (_, index) => document(`${index}.md`)), document("big.md", 4 << 20)];
    const seen = [];
    for await (const progress of client.importDocuments(documents)) seen.push(progress);
    expect(bodies.map((body) => body.length)).toEqual([16, 4]);
    expect(bodies[0]?.[0]).toEqual({ sourcePath: "0.md", content: btoa("A".repeat(10)) });
    expect(seen.map(({ done, total }) => [done, total])).toEqual([[16, 21], [21, 21]]);
    expect(seen[1]?.results.at(-1)).toMatchObject({ outcome: api.ImportOutcome.FAILED, reason: api.ErrorReason.DOCUMENT_TOO_LARGE });
  });

  it("throws what the server says, and tries a refused token once more", async () => {
    const tokens: string[] = [];
    const client = new DeskwireClient({
      token: ({ refresh }) => (refresh ? "new" : "old"),
      baseUrl: "",
      fetch: (_, init) => {
        tokens.push((init?.headers as Record<string, string>)["authorization"] ?? "");
        const details = [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "ROLE_TOO_LOW", domain: "deskwire" }];
        if (tokens.length === 1) return Promise.resolve(new Response("{}", { status: 401 }));
        return Promise.resolve(Response.json({ code: 7, message: "no", details }, { status: 403 }));
      },
    });
    await expect(client.importDocuments([document("a.md")]).next()).rejects.toMatchObject({ reason: "ROLE_TOO_LOW" });
    expect(tokens).toEqual(["Bearer old", "Bearer new"]);
  });
});
