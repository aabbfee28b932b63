/** The administrators' page: articles listed and searched, with the way to edit, delete and import them. */
import { useEffect, useState } from "preact/hooks";

import {
  ask, failure, loadRows, type Mode, mode, nextPage, pages, query, type Row, rows, searchMs, state, total, turnPage, ARTICLES_PER_PAGE,
} from "../state/knowledge";
import { drawerOpen, narrow } from "../state/layout";
import { plainText } from "../text/markdown";
import { shortDay, toDate } from "../text/time";
import { ArticleEditor } from "./article-editor";
import { Icon } from "./icon";
import { ImportDialog } from "./import-dialog";
import { Empty, IconButton, Skeleton, Trouble } from "./pieces";

const SEARCH_DELAY_MS = 250;

export function KnowledgePage() {
  const [editing, setEditing] = useState<string>();
  const [importing, setImporting] = useState(false);
  useEffect(() => {
    document.title = "Knowledge · Deskwire";
    void loadRows();
  }, []);
  return (
    <main id="main" tabIndex={-1} class="knowledge" inert={narrow.value && drawerOpen.value} onDragEnter={() => setImporting(true)}>
      <header class="topbar">
        {narrow.value && <IconButton icon="menu" label="Open the list" onClick={() => (drawerOpen.value = true)} />}
        <h1 class="topbar-title">Knowledge</h1>
        <button type="button" class="button" onClick={() => setImporting(true)}>
          <Icon name="upload" size={16} /> Import
        </button>
        <button type="button" class="button button-primary" aria-label="New article" onClick={() => setEditing("")}>
          <Icon name="plus" size={16} /> <span>New article</span>
        </button>
      </header>
      <div class="knowledge-scroll" tabIndex={0} role="region" aria-label="Articles">
        <div class="knowledge-column">
          <Filter />
          <Results onOpen={setEditing} onImport={() => setImporting(true)} />
        </div>
      </div>
      {editing !== undefined && <ArticleEditor id={editing} onClose={() => setEditing(undefined)} />}
      {importing && <ImportDialog onClose={() => setImporting(false)} />}
    </main>
  );
}

const MODES: readonly [Mode, string][] = [
  ["titles", "By title"],
  ["meaning", "By meaning"],
];

function Filter() {
  const [text, setText] = useState(query.value);
  useEffect(() => {
    if (text === query.value) return undefined;
    const timer = setTimeout(() => ask(text, mode.value), SEARCH_DELAY_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <div class="filter">
      <label class="search">
        <Icon name="search" size={16} />
        <span class="sr-only">Search articles</span>
        <input
          type="search"
          placeholder={mode.value === "meaning" ? "Ask as a customer would" : "Filter by title or path"}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <fieldset class="segments segments-small">
        <legend class="sr-only">How to search</legend>
        {MODES.map(([value, label]) => (
          <label key={value} class="segment">
            <input type="radio" name="mode" checked={mode.value === value} onChange={() => ask(text, value)} />
            <span>{label}</span>
          </label>
        ))}
      </fieldset>
    </div>
  );
}

function Results({ onOpen, onImport }: { onOpen: (id: string) => void; onImport: () => void }) {
  if (state.value === "loading") return <Skeleton lines={9} label="Loading articles" />;
  if (state.value === "failed" && failure.value) return <Trouble error={failure.value} onRetry={() => void loadRows()} />;
  if (rows.value.length === 0) {
    if (query.value !== "") return <Empty icon="search" title="Nothing found">Try other words, or search by meaning.</Empty>;
    return (
      <Empty icon="files" title="No articles yet">
        <p>Drop a folder of Markdown, HTML, text, PDF or Word files, and answers will rest on them.</p>
        <button type="button" class="button button-primary" onClick={onImport}>Import documents</button>
      </Empty>
    );
  }
  return (
    <>
      <p class="count" role="status">{summary()}</p>
      <ul class="rows">{rows.value.map((row) => <RowView key={row.article.id} row={row} onOpen={onOpen} />)}</ul>
      <Pager />
    </>
  );
}

function summary(): string {
  const count = `${total.value.toLocaleString()} ${total.value === 1 ? "article" : "articles"}`;
  return searchMs.value === undefined ? count : `${count} found in ${Math.max(1, Math.round(searchMs.value))} ms`;
}

function RowView({ row, onOpen }: { row: Row; onOpen: (id: string) => void }) {
  const { article, relevance, passages } = row;
  const updated = toDate(article.updateTime);
  const best = passages[0];
  return (
    <li class="row">
      <button type="button" class="row-button" onClick={() => onOpen(article.id)}>
        <span class="row-main">
          <span class="row-title">{article.title}</span>
          {article.sourcePath && <span class="row-path">{article.sourcePath}</span>}
          {best && <span class="row-passage">{plainText(best.text)}</span>}
        </span>
        {article.category && <span class="tag">{article.category}</span>}
        {relevance === undefined ? (
          <span class="row-facts">
            {updated && <span>{shortDay(updated)}</span>}
            <span>{article.passageCount} {article.passageCount === 1 ? "passage" : "passages"}</span>
          </span>
        ) : (
          <span class="score">
            <meter min={0} max={1} value={relevance} aria-label="Relevance" />
            <span>{Math.round(relevance * 100)} %</span>
          </span>
        )}
      </button>
    </li>
  );
}

function Pager() {
  const page = pages.value.length;
  if (page === 1 && nextPage.value === "") return null;
  const first = (page - 1) * ARTICLES_PER_PAGE + 1;
  return (
    <nav class="pager" aria-label="Pages">
      <button type="button" class="button" disabled={page === 1} onClick={() => turnPage(false)}>
        <Icon name="left" size={16} /> Previous
      </button>
      <span>{first.toLocaleString()}–{(first + rows.value.length - 1).toLocaleString()} of {total.value.toLocaleString()}</span>
      <button type="button" class="button" disabled={nextPage.value === ""} onClick={() => turnPage(true)}>
        Next <Icon name="right" size={16} />
      </button>
    </nav>
  );
}
