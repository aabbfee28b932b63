/** Collects the files that were dropped or chosen, with their paths. */
import type { ImportDocument } from "../../lib";

const WANTED = /\.(md|mdx|markdown|html?|txt|pdf|docx)$/i;

/** Documents among files that were chosen; `skipped` counts those of other kinds. */
export interface Collected {
  readonly documents: ImportDocument[];
  readonly skipped: number;
}

/** Documents of files that were chosen in a dialog; a chosen folder gives paths relative to it. */
export function fromFiles(files: Iterable<File>): Collected {
  return collect(Array.from(files, (file) => ({ file, path: inFolder(file.webkitRelativePath) || file.name })));
}

/** Documents of what was dropped, folders included. To be called while the drop is handled. */
export async function fromDrop(transfer: DataTransfer): Promise<Collected> {
  // Some sources give files that are no entries of a file system.
  const dropped = Array.from(transfer.items, (item) => item.webkitGetAsEntry() ?? item.getAsFile()).filter(Boolean);
  const [only] = dropped;
  // One folder alone is the root that paths are relative to; several things keep their names.
  const roots = dropped.length === 1 && only && isDirectory(only) ? await childrenOf(only) : dropped;
  const found: Found[] = [];
  for (const root of roots) {
    if (root instanceof File) found.push({ file: root, path: root.name });
    else if (root !== null) await walk(root, "", found);
  }
  return collect(found);
}

interface Found {
  readonly file: File;
  readonly path: string;
}

function collect(found: readonly Found[]): Collected {
  const documents = found
    .filter(({ path }) => WANTED.test(path))
    .sort((a, b) => a.path.localeCompare(b.path))
    .map(({ file, path: sourcePath }) => ({
      sourcePath,
      read: async () => new Uint8Array(await file.arrayBuffer()),
    }));
  return { documents, skipped: found.length - documents.length };
}

function inFolder(path: string): string {
  return path.split("/").slice(1).join("/");
}

async function walk(entry: FileSystemEntry, folder: string, found: Found[]): Promise<void> {
  if (entry.name.startsWith(".")) return;
  const path = folder + entry.name;
  if (isFile(entry)) {
    found.push({ path, file: await new Promise<File>((resolve, reject) => entry.file(resolve, reject)) });
  } else if (isDirectory(entry)) {
    for (const child of await childrenOf(entry)) await walk(child, `${path}/`, found);
  }
}

// Browsers have no classes by these names to compare with.
function isDirectory(entry: FileSystemEntry | File): entry is FileSystemDirectoryEntry {
  return "isDirectory" in entry && entry.isDirectory;
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

async function childrenOf(directory: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = directory.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
}
