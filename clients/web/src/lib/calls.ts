/** Generated clients whose calls throw `DeskwireError`. */
import type { DescService } from "@bufbuild/protobuf";
import { type Client, createClient, type Transport } from "@connectrpc/connect";

import { DeskwireError } from "./errors";

type Call = (...args: unknown[]) => Promise<unknown> | AsyncIterable<unknown>;

/** The generated client of a service, with errors turned into `DeskwireError`s. */
export function createTypedClient<S extends DescService>(service: S, transport: Transport): Client<S> {
  const client = createClient(service, transport) as Record<string, Call>;
  const typed: Record<string, Call> = {};
  for (const { localName } of service.methods) {
    const call = client[localName];
    if (call !== undefined) typed[localName] = (...args) => withTypedErrors(call(...args));
  }
  return typed as Client<S>;
}

function withTypedErrors(result: Promise<unknown> | AsyncIterable<unknown>): Promise<unknown> | AsyncIterable<unknown> {
  if (result instanceof Promise) {
    return result.catch((error: unknown) => {
      throw DeskwireError.from(error);
    });
  }
  return iterate(result);
}

async function* iterate(messages: AsyncIterable<unknown>): AsyncGenerator<unknown, void, void> {
  try {
    yield* messages;
  } catch (error) {
    throw DeskwireError.from(error);
  }
}
