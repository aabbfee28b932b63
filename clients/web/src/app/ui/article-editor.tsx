/** Edits one article; notices when somebody else changed it meanwhile. */
import { useCallback, useEffect, useState } from "preact/hooks";

import { DeskwireError } from "../../lib";
import { deleteArticle, type Draft, fetchArticle, saveArticle } from "../state/knowledge";
import { notify, report, signOutIfRefused } from "../state/notices";
import { explain } from "../text/explain";
import { Icon } from "./icon";
import { Markdown } from "./markdown";
import { Dialog, IconButton, Skeleton, Trouble } from "./pieces";

const BLANK: Draft = { title: "", content: "", category: "", tags: [], url: "", language: "" };

interface Props {
  /** The article; empty for a new one. */
  id: string;
  onClose: () => void;
  /** Told the id of the article when it was saved. */
  onSaved?: ((articleId: string) => void) | undefined;
}

/** `title` is what a new article begins with. */
export function ArticleEditor({ id, title = "", onClose, onSaved }: Props & { title?: string }) {
  const [draft, setDraft] = useState<Draft | undefined>(id === "" ? { ...BLANK, title } : undefined);
  const [etag, setEtag] = useState("");
  const [path, setPath] = useState("");
  const [error, setError] = useState<DeskwireError>();

  const load = useCallback(async (): Promise<void> => {
    setError(undefined);
    try {
      const article = await fetchArticle(id);
      const { title, content, category, tags, url, language } = article;
      setDraft({ title, content, category, tags, url, language });
      setEtag(article.etag);
      setPath(article.sourcePath);
    } catch (failed) {
      if (!signOutIfRefused(failed)) setError(DeskwireError.from(failed));
    }
  }, [id]);
  useEffect(() => {
    if (id !== "") void load();
  }, [id, load]);

  return (
    <Dialog label={id === "" ? "New article" : "Edit article"} class="dialog-wide" onClose={onClose}>
      <header class="dialog-head">
        <h2>{id === "" ? "New article" : "Edit article"}</h2>
        {path && <span class="row-path">{path}</span>}
        <IconButton icon="close" label="Close" onClick={onClose} />
      </header>
      {error && !draft && <Trouble error={error} onRetry={() => void load()} />}
      {!draft && !error && <Skeleton lines={9} label="Loading the article" />}
      {draft && <Form id={id} etag={etag} start={draft} key={etag} onReload={load} onClose={onClose} onSaved={onSaved} />}
    </Dialog>
  );
}

interface FormProps extends Props {
  etag: string;
  start: Draft;
  onReload: () => Promise<void>;
}

function Form({ id, etag, start, onReload, onClose, onSaved }: FormProps) {
  const [draft, setDraft] = useState(start);
  const [tags, setTags] = useState(start.tags.join(", "));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<DeskwireError>();
  const set = (changes: Partial<Draft>): void => setDraft({ ...draft, ...changes });

  const run = async (work: () => Promise<void>, done: string): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      await work();
      notify(done);
      onClose();
    } catch (failed) {
      if (!signOutIfRefused(failed)) setError(DeskwireError.from(failed));
    } finally {
      setBusy(false);
    }
  };
  const save = (version: string): void => {
    const list = tags.split(",").map((tag) => tag.trim()).filter(Boolean);
    void run(async () => {
      const saved = await saveArticle({ ...draft, tags: list }, id, version);
      onSaved?.(saved);
    }, "Article saved");
  };

  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault();
        save(etag);
      }}
    >
      <label class="field">
        <span>Title</span>
        <input class="input" required maxLength={500} value={draft.title} onInput={(event) => set({ title: event.currentTarget.value })} />
      </label>
      <div class="field-row">
        <TextField label="Category" value={draft.category} onChange={(category) => set({ category })} />
        <TextField label="Tags, separated by commas" value={tags} onChange={setTags} />
        <TextField label="Language" value={draft.language} onChange={(language) => set({ language })} />
      </div>
      <TextField label="Address where people read it" value={draft.url} onChange={(url) => set({ url })} />
      <ContentField value={draft.content} onChange={(content) => set({ content })} />
      {error && <SaveTrouble error={error} onReload={onReload} onOverwrite={() => save("")} />}
      <footer class="dialog-foot">
        {id !== "" && <DeleteButton busy={busy} onDelete={() => void run(() => deleteArticle(id, etag), "Article deleted")} />}
        <span class="spacer" />
        <button type="button" class="button" onClick={onClose}>Cancel</button>
        <button class="button button-primary" disabled={busy || draft.title.trim() === "" || draft.content.trim() === ""}>
          {busy ? "Saving…" : "Save"}
        </button>
      </footer>
    </form>
  );
}

function TextField({ label, value, onChange }: { label: string; value: string; onChange: (value: string) => void }) {
  return (
    <label class="field">
      <span>{label}</span>
      <input class="input" value={value} onInput={(event) => onChange(event.currentTarget.value)} />
    </label>
  );
}

function ContentField({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const [preview, setPreview] = useState(false);
  return (
    <div class="field field-grow">
      <div class="field-head">
        <label for="content">Content</label>
        <button type="button" class="link" aria-pressed={preview} onClick={() => setPreview(!preview)}>
          {preview ? "Write" : "Preview"}
        </button>
      </div>
      {preview ? (
        <div class="input preview" tabIndex={0} role="group" aria-label="Preview"><Markdown source={value} /></div>
      ) : (
        <textarea
          id="content"
          class="input content-input"
          required
          spellcheck
          value={value}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      )}
    </div>
  );
}

/** Says why saving failed; after somebody else's change the person decides whose version stays. */
function SaveTrouble(props: { error: DeskwireError; onReload: () => Promise<void>; onOverwrite: () => void }) {
  const { title, advice } = explain(props.error);
  const conflict = props.error.reason === "ETAG_MISMATCH";
  return (
    <div class="callout callout-bad" role="alert">
      <Icon name="alert" />
      <div>
        <p class="callout-title">{title}</p>
        <p>{advice}</p>
      </div>
      {conflict && (
        <>
          <button type="button" class="button" onClick={() => void props.onReload().catch(report)}>Load theirs</button>
          <button type="button" class="button" onClick={props.onOverwrite}>Keep mine</button>
        </>
      )}
    </div>
  );
}

/** Deletes on the second press. */
function DeleteButton({ busy, onDelete }: { busy: boolean; onDelete: () => void }) {
  const [sure, setSure] = useState(false);
  return (
    <button
      type="button"
      class="button button-danger"
      disabled={busy}
      onClick={() => (sure ? onDelete() : setSure(true))}
      onBlur={() => setSure(false)}
    >
      <Icon name="trash" size={16} /> {sure ? "Delete for good?" : "Delete"}
    </button>
  );
}
