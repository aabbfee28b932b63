/** The mock server's plain HTTP paths: the demo token and the import. */
import { create } from "@bufbuild/protobuf";

import { api } from "../src/lib";
import type { World } from "./world";

/** A `fetch` that knows `/demo-token` and `/v1/articles:import`. */
export function createMockFetch(world: World): typeof fetch {
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input, "http://mock");
    await new Promise((resolve) => setTimeout(resolve, 120));
    if (url.pathname === "/demo-token") return Response.json(demoToken(url.searchParams.get("role") ?? "user"));
    if (url.pathname === "/v1/articles:import") return Response.json(importAll(world, init?.body as string));
    return new Response("not found", { status: 404 });
  };
}

function demoToken(role: string): { token: string; user: string; role: string } {
  const user = role === "admin" ? "ada" : "ana";
  const part = (value: object): string => btoa(JSON.stringify(value)).replaceAll("=", "");
  const claims = { sub: user, role, tenant: "demo", exp: Math.floor(Date.now() / 1000) + 3600 };
  return { token: `${part({ alg: "none" })}.${part(claims)}.${part({})}`, user, role };
}

function importAll(world: World, body: string): object {
  const entries = JSON.parse(body) as { sourcePath: string; content: string }[];
  const results = entries.map(({ sourcePath, content }) => {
    const text = new TextDecoder().decode(Uint8Array.from(atob(content), (character) => character.charCodeAt(0)));
    const refused = reasonToRefuse(sourcePath, text);
    if (refused !== undefined) return { sourcePath, outcome: "IMPORT_OUTCOME_FAILED", ...refused };
    const known = [...world.articles.values()].find((article) => article.sourcePath === sourcePath);
    if (known?.content === text) return { sourcePath, outcome: "IMPORT_OUTCOME_UNCHANGED", articleId: known.id };
    const title = /^# (.+)$/m.exec(text)?.[1] ?? sourcePath;
    const category = sourcePath.includes("/") ? (sourcePath.split("/")[0] ?? "") : "";
    const outcome = known ? "IMPORT_OUTCOME_UPDATED" : "IMPORT_OUTCOME_CREATED";
    const article = world.putArticle(
      Object.assign(known ?? create(api.ArticleSchema), { title, category, sourcePath, content: text }),
    );
    return { sourcePath, outcome, articleId: article.id };
  });
  return { results };
}

function reasonToRefuse(path: string, text: string): { reason: string; message: string } | undefined {
  if (!/\.(md|mdx|html?|txt)$/i.test(path)) {
    return { reason: "ERROR_REASON_DOCUMENT_TYPE_UNSUPPORTED", message: "this kind of document is not supported" };
  }
  return text.trim() === "" ? { reason: "ERROR_REASON_DOCUMENT_EMPTY", message: "the document has no text" } : undefined;
}
