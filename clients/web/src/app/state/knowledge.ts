/** The administrators' view of the knowledge: list, search, edit, import. */
import { batch, signal } from "@preact/signals";

import { api, DeskwireError, type ImportDocument, newRequestId, wasRefused } from "../../lib";
import { signOutIfRefused } from "./notices";
import { client } from "./session";

export const ARTICLES_PER_PAGE = 20;
/** What is less relevant would be shown as 0 %. */
const WORTH_SHOWING = 0.01;

/** A row of the list: an article, with its score when it was searched for. */
export interface Row {
  readonly article: api.Article;
  readonly relevance?: number;
  readonly passages: readonly api.KnowledgePassage[];
}

export type Mode = "titles" | "meaning";

export const mode = signal<Mode>("titles");
export const query = signal("");
export const rows = signal<readonly Row[]>([]);
export const total = signal(0);
export const searchMs = signal<number | undefined>(undefined);
export const state = signal<"loading" | "ready" | "failed">("loading");
export const failure = signal<DeskwireError | undefined>(undefined);
/** Tokens of the pages up to the one that is shown. */
export const pages = signal<readonly string[]>([""]);
export const nextPage = signal("");
let asked = 0;

/** Loads what the query and the mode ask for; the page with the last of these tokens. */
export async function loadRows(tokens: readonly string[] = pages.value): Promise<void> {
  const mine = ++asked;
  state.value = rows.value.length === 0 ? "loading" : state.value;
  try {
    const bySense = mode.value === "meaning" && query.value.trim() !== "";
    const found = await (bySense ? searchRows() : listRows(tokens.at(-1) ?? ""));
    if (mine === asked) show(found, tokens);
  } catch (error) {
    if (mine !== asked || signOutIfRefused(error)) return;
    failure.value = DeskwireError.from(error);
    state.value = "failed";
  }
}

/** Goes to the first page of another query. */
export function ask(text: string, how: Mode): void {
  batch(() => {
    query.value = text;
    mode.value = how;
  });
  void loadRows([""]);
}

/** Goes a page forward or back. */
export function turnPage(forward: boolean): void {
  void loadRows(forward ? [...pages.value, nextPage.value] : pages.value.slice(0, -1));
}

interface Found {
  rows: Row[];
  total: number;
  next: string;
  searchMs: number | undefined;
}

async function listRows(pageToken: string): Promise<Found> {
  const request = { pageSize: ARTICLES_PER_PAGE, pageToken, query: query.value.trim() };
  const page = await knowledge().listArticles(request);
  const found = page.articles.map((article) => ({ article, passages: [] }));
  return { rows: found, total: page.totalCount, next: page.nextPageToken, searchMs: undefined };
}

async function searchRows(): Promise<Found> {
  const request = { query: query.value.trim(), limit: ARTICLES_PER_PAGE, minRelevance: WORTH_SHOWING };
  const response = await knowledge().searchKnowledge(request);
  const found = response.results.flatMap(({ article, relevance, passages }) =>
    article ? [{ article, relevance, passages }] : [],
  );
  const { searchTime: time } = response;
  const searchMs = time && Number(time.seconds) * 1000 + time.nanos / 1e6;
  return { rows: found, total: response.totalCount, next: "", searchMs };
}

function show(found: Found, tokens: readonly string[]): void {
  batch(() => {
    pages.value = tokens;
    rows.value = found.rows;
    total.value = found.total;
    nextPage.value = found.next;
    searchMs.value = found.searchMs;
    state.value = "ready";
  });
}

/** The fields of an article that can be edited. */
export interface Draft {
  title: string;
  content: string;
  category: string;
  tags: string[];
  url: string;
  language: string;
}

/** Loads an article with its content. */
export async function fetchArticle(articleId: string): Promise<api.Article> {
  const { article } = await knowledge().getArticle({ articleId });
  if (article === undefined) throw new Error("the server sent no article");
  return article;
}

/** Creates an article, or changes one whose version is still `etag`; without an etag whatever is there is replaced. */
export async function saveArticle(draft: Draft, id: string, etag: string): Promise<string> {
  const requestId = newRequestId();
  const updateMask = { paths: ["title", "content", "category", "tags", "url", "language"] };
  const { article } = id === ""
    ? await knowledge().createArticle({ article: draft, requestId })
    : await knowledge().updateArticle({ article: { ...draft, id, etag }, updateMask, requestId });
  await loadRows();
  return article?.id ?? id;
}

/** Deletes an article unless somebody changed it meanwhile. */
export async function deleteArticle(articleId: string, etag: string): Promise<void> {
  await knowledge().deleteArticle({ articleId, etag, requestId: newRequestId() });
  await loadRows();
}

/** An import while it runs and after it. */
export interface ImportRun {
  readonly total: number;
  readonly done: number;
  readonly created: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly refused: readonly api.ImportResult[];
  readonly state: "running" | "finished" | "stopped";
  readonly error?: DeskwireError;
}

export const importRun = signal<ImportRun | undefined>(undefined);
let importing: AbortController | undefined;

/** Imports documents and shows how far it is in `importRun`. */
export async function startImport(documents: readonly ImportDocument[]): Promise<void> {
  importing = new AbortController();
  let run: ImportRun = {
    total: documents.length, done: 0, created: 0, updated: 0, unchanged: 0, refused: [], state: "running",
  };
  importRun.value = run;
  try {
    for await (const { done, results } of signedIn().importDocuments(documents, importing.signal)) {
      const count = (outcome: api.ImportOutcome): number => results.filter((one) => one.outcome === outcome).length;
      run = {
        ...run,
        done,
        created: run.created + count(api.ImportOutcome.CREATED),
        updated: run.updated + count(api.ImportOutcome.UPDATED),
        unchanged: run.unchanged + count(api.ImportOutcome.UNCHANGED),
        refused: [...run.refused, ...results.filter(wasRefused)],
      };
      importRun.value = run;
    }
    importRun.value = { ...run, state: "finished" };
  } catch (error) {
    const failed = DeskwireError.from(error);
    importRun.value = { ...run, state: "stopped", ...(failed.reason !== "CANCELLED" && { error: failed }) };
  }
  await loadRows();
}

/** Stops an import after the batch that is on its way. */
export function stopImport(): void {
  importing?.abort();
}

function signedIn() {
  if (client.value === undefined) throw new Error("nobody is signed in");
  return client.value;
}

function knowledge() {
  return signedIn().knowledge;
}
