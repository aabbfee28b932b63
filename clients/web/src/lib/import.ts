/** Imports documents from a page: in batches over JSON, as browsers can't stream requests. */
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";

import { ImportArticlesResponseSchema, ImportOutcome, type ImportResult } from "./api";
import { DeskwireError } from "./errors";
import type { TokenSource } from "./token";

/** A document to import. */
export interface ImportDocument {
  /** Path relative to the folder, with `/`: the document's identity in the tenant. */
  readonly sourcePath: string;
  /** Reads the bytes; called when the document's turn comes, so that a large folder need not fit into memory. */
  read(): Promise<Uint8Array>;
}

/** How far an import is. */
export interface ImportProgress {
  readonly done: number;
  readonly total: number;
  /** Results that came with this step, in the order of the documents. */
  readonly results: readonly ImportResult[];
}

/** Where and how to import. */
export interface ImportLink {
  readonly baseUrl: string;
  readonly token: TokenSource;
  readonly fetch: typeof fetch;
}

const BATCH_DOCUMENTS = 16;
const BATCH_BYTES = 512 * 1024;
/** Largest document that the contract takes, in bytes. */
export const MAX_DOCUMENT_BYTES = 3 * 1024 * 1024;

type Entry = { sourcePath: string; content: string };

/**
 * Imports documents and yields the progress after each batch. A document that is refused is among the results and
 * stops nothing.
 *
 * @throws DeskwireError when a batch as a whole is refused; batches before it are in.
 */
export async function* importDocuments(
  link: ImportLink,
  documents: readonly ImportDocument[],
  signal?: AbortSignal,
): AsyncGenerator<ImportProgress, void, void> {
  let batch: Entry[] = [];
  let refused: ImportResult[] = [];
  let bytes = 0;
  let done = 0;
  const flush = async (): Promise<ImportProgress> => {
    const results = batch.length === 0 ? [] : await post(link, batch, signal);
    done += batch.length + refused.length;
    const progress = { done, total: documents.length, results: [...results, ...refused] };
    batch = [];
    refused = [];
    bytes = 0;
    return progress;
  };
  for (const document of documents) {
    const content = await document.read();
    if (content.length > MAX_DOCUMENT_BYTES) {
      refused.push(tooLarge(document.sourcePath));
      continue;
    }
    if (batch.length > 0 && (bytes + content.length > BATCH_BYTES || batch.length >= BATCH_DOCUMENTS)) yield await flush();
    batch.push({ sourcePath: document.sourcePath, content: base64(content) });
    bytes += content.length;
  }
  if (batch.length > 0 || refused.length > 0) yield await flush();
}

async function post(link: ImportLink, batch: readonly Entry[], signal?: AbortSignal): Promise<ImportResult[]> {
  let response = await send(link, batch, false, signal);
  if (response.status === 401) response = await send(link, batch, true, signal);
  const body = (await response.json().catch(() => undefined)) as unknown;
  if (!response.ok) throw DeskwireError.fromJson(body, response.status);
  return fromJson(ImportArticlesResponseSchema, body as JsonValue, { ignoreUnknownFields: true }).results;
}

async function send(link: ImportLink, batch: readonly Entry[], refresh: boolean, signal?: AbortSignal): Promise<Response> {
  const token = await link.token({ refresh });
  const request: RequestInit = {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(batch),
    ...(signal && { signal }),
  };
  try {
    return await link.fetch(`${link.baseUrl}/v1/articles:import`, request);
  } catch (error) {
    if (signal?.aborted) throw new DeskwireError("the import was stopped", { code: Code.Canceled, reason: "CANCELLED" });
    throw DeskwireError.connectionLost(error);
  }
}

function tooLarge(sourcePath: string): ImportResult {
  const result = { sourcePath, outcome: "IMPORT_OUTCOME_FAILED", reason: "ERROR_REASON_DOCUMENT_TOO_LARGE" };
  const message = "the document is larger than 3 MiB";
  const [made] = fromJson(ImportArticlesResponseSchema, { results: [{ ...result, message }] }).results;
  if (made === undefined) throw new Error("a result was lost");
  return made;
}

/** Base64 in pieces: a document may be too long for one call's arguments. */
function base64(bytes: Uint8Array): string {
  let binary = "";
  for (let start = 0; start < bytes.length; start += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
  }
  return btoa(binary);
}

/** Whether a document of an import was refused. */
export function wasRefused(result: ImportResult): boolean {
  return result.outcome === ImportOutcome.FAILED;
}
