/** Makes the `[1]` of an answer into chips that open the source. */
import { proseOf } from "./markdown";

/** What a chip needs to know of its source. */
export interface ChipSource {
  readonly number: number;
  readonly title: string;
}

/** One or more marks in a row, with the word before them: a chip shall not begin a line. */
const MARKED_WORD = /(\S*?)([ \u00a0]?)((?:\[\d{1,3}\][ \u00a0]?)*\[\d{1,3}\])/g;
const MARK = /\[(\d{1,3})\]/g;

/** Replaces the marks of known sources; others stay as they were written. */
export function insertChips(root: Node, sources: readonly ChipSource[]): void {
  if (sources.length === 0) return;
  const byNumber = new Map(sources.map((source) => [source.number, source]));
  for (const node of proseOf(root)) {
    const parts: (Node | string)[] = [];
    let rest = 0;
    for (const { 0: whole, 1: word = "", 2: space = "", 3: marks = "", index } of node.data.matchAll(MARKED_WORD)) {
      const chips = withChips(marks, byNumber);
      if (!chips.some((part) => typeof part !== "string")) continue;
      const group = document.createElement("span");
      group.className = "cited";
      group.append(word + space, ...chips);
      parts.push(node.data.slice(rest, index), group);
      rest = index + whole.length;
    }
    if (parts.length > 0) node.replaceWith(...parts, node.data.slice(rest));
  }
}

function withChips(marks: string, sources: ReadonlyMap<number, ChipSource>): (Node | string)[] {
  return marks.split(/(\[\d{1,3}\])/).filter(Boolean).map((part) => {
    const source = sources.get(Number(part.match(MARK)?.[0].slice(1, -1)));
    return source ? chip(source) : part;
  });
}

function chip({ number, title }: ChipSource): HTMLButtonElement {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "chip";
  button.dataset["citation"] = String(number);
  button.title = title;
  button.setAttribute("aria-label", `Source ${number}: ${title}`);
  button.textContent = String(number);
  return button;
}
