/** How the page reaches its server: over its own origin, or in memory while somebody works on it. */
import type { DeskwireClientOptions } from "../../lib";

declare const __MOCK__: boolean;

/** The part of the client's options that says where the server is. */
export type Backend = Pick<DeskwireClientOptions, "transport"> & Required<Pick<DeskwireClientOptions, "fetch">>;

export const backend: Backend = __MOCK__ ? await mockBackend() : { fetch: window.fetch.bind(window) };

async function mockBackend(): Promise<Backend> {
  const [{ createMockTransport }, { createMockFetch }, { World }] = await Promise.all([
    import("../../../mock/server"),
    import("../../../mock/fetch"),
    import("../../../mock/world"),
  ]);
  const world = new World();
  Object.assign(window, { mockWorld: world });
  return { transport: createMockTransport(world), fetch: createMockFetch(world) };
}
