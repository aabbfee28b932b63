/** Imports documents by drag and drop, with progress and the result of each that was refused. */
import { useRef, useState } from "preact/hooks";

import { importRun, type ImportRun, startImport, stopImport } from "../state/knowledge";
import { notify, report } from "../state/notices";
import { explain, explainReason } from "../text/explain";
import { type Collected, fromDrop, fromFiles } from "../text/files";
import { api, type Reason } from "../../lib";
import { Icon } from "./icon";
import { Dialog, IconButton } from "./pieces";

export function ImportDialog({ onClose }: { onClose: () => void }) {
  const run = importRun.value;
  const close = (): void => {
    if (run !== undefined && run.state !== "running") importRun.value = undefined;
    onClose();
  };
  return (
    <Dialog label="Import documents" onClose={close}>
      <header class="dialog-head">
        <h2>Import documents</h2>
        <IconButton icon="close" label="Close" onClick={close} />
      </header>
      {run === undefined ? <DropZone /> : <Progress run={run} onClose={close} />}
    </Dialog>
  );
}

function begin({ documents, skipped }: Collected): void {
  if (documents.length === 0) {
    notify("There are no Markdown, HTML, text, PDF or Word files among these.", "error");
    return;
  }
  if (skipped > 0) notify(`${skipped.toLocaleString()} other ${skipped === 1 ? "file is" : "files are"} left out.`);
  void startImport(documents).catch(report);
}

function DropZone() {
  const [over, setOver] = useState(false);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const onDrop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    if (event.dataTransfer) void fromDrop(event.dataTransfer).then(begin).catch(report);
  };
  return (
    <div
      class={over ? "drop drop-over" : "drop"}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={onDrop}
    >
      <span class="empty-icon"><Icon name="upload" size={22} /></span>
      <p class="empty-title">Drop files or a folder here</p>
      <p class="empty-text">Markdown, HTML, plain text, PDF or Word, up to 3 MB each. Documents that are known already are brought up to date.</p>
      <div class="drop-buttons">
        <button type="button" class="button" onClick={() => files.current?.click()}><Icon name="files" size={16} /> Choose files</button>
        <button type="button" class="button" onClick={() => folder.current?.click()}><Icon name="folder" size={16} /> Choose a folder</button>
      </div>
      <input
        ref={files}
        class="sr-only"
        type="file"
        tabIndex={-1}
        aria-label="Files"
        multiple
        accept=".md,.mdx,.markdown,.html,.htm,.txt,.pdf,.docx"
        onChange={(event) => begin(fromFiles(event.currentTarget.files ?? []))}
      />
      <input
        ref={(input) => {
          folder.current = input;
          input?.setAttribute("webkitdirectory", "");
        }}
        class="sr-only"
        type="file"
        tabIndex={-1}
        aria-label="Folder"
        onChange={(event) => begin(fromFiles(event.currentTarget.files ?? []))}
      />
    </div>
  );
}

const HEADLINES = { running: "Importing…", finished: "Import finished", stopped: "Import stopped" } as const;

function Progress({ run, onClose }: { run: ImportRun; onClose: () => void }) {
  const counts = [
    [run.created, "new"],
    [run.updated, "changed"],
    [run.unchanged, "unchanged"],
    [run.refused.length, "refused"],
  ] as const;
  return (
    <div class="import">
      <p class="import-title" role="status">
        <span>{HEADLINES[run.state]}</span>
        <span>{run.done.toLocaleString()} of {run.total.toLocaleString()}</span>
      </p>
      <progress max={run.total} value={run.done} aria-label="Documents imported" />
      <ul class="import-counts">
        {counts.map(([count, name]) => <li key={name}><strong>{count.toLocaleString()}</strong> {name}</li>)}
      </ul>
      {run.error && <p class="callout callout-bad" role="alert">{explain(run.error).title}. {explain(run.error).advice}</p>}
      {run.refused.length > 0 && <Refused results={run.refused} />}
      <footer class="dialog-foot">
        <span class="spacer" />
        {run.state === "running" ? (
          <button type="button" class="button" onClick={stopImport}>Stop</button>
        ) : (
          <>
            <button type="button" class="button" onClick={() => (importRun.value = undefined)}>Import more</button>
            <button type="button" class="button button-primary" onClick={onClose}>Done</button>
          </>
        )}
      </footer>
    </div>
  );
}

function Refused({ results }: { results: readonly api.ImportResult[] }) {
  return (
    <ul class="refused" tabIndex={0} aria-label="Documents that were refused">
      {results.map(({ sourcePath, reason }) => (
        <li key={sourcePath}>
          <Icon name="alert" size={15} />
          <span><strong>{sourcePath}</strong> {explainReason(api.ErrorReason[reason] as Reason).title.toLowerCase()}</span>
        </li>
      ))}
    </ul>
  );
}
