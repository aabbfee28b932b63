/** Marks a passage of an article, given by its place in the Markdown, in the nodes that were made of it. */

// From the private use area: they mean nothing, and Markdown lets them pass.
const BEGIN = "\uE0D0";
const END = "\uE0D1";
/** What opens a line without being text: quotes, bullets, numbers, headings, table pipes. */
const LINE_OPENING = /^[ \t]*(?:(?:>|[-*+]|\d{1,9}[.)]|#{1,6}|\|)[ \t]+|\|)*(?:\[[ xX]\][ \t]+)?/;
const NO_TEXT = /^[ \t]*(?:```.*|~~~.*|\|?[ \t]*:?-{3,}:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?|[-*_]{3,}|=+)?[ \t]*$/;

/**
 * Puts invisible marks around a passage, at places where they do not change what the Markdown means.
 * @param start First code point of the passage.
 * @param end Code point after the passage.
 */
export function markSource(source: string, start: number, end: number): string {
  const points = Array.from(source.replaceAll(BEGIN, "").replaceAll(END, ""));
  const from = points.slice(0, Math.max(0, start)).join("").length;
  const to = points.slice(0, Math.max(start, end)).join("").length;
  const text = points.join("");
  const begin = beginIn(text, from, to);
  if (begin === undefined) return text;
  const finish = endIn(text, begin, to);
  return text.slice(0, begin) + BEGIN + text.slice(begin, finish) + END + text.slice(finish);
}

/** The first place from `from` on that is inside the text of a line. */
function beginIn(text: string, from: number, to: number): number | undefined {
  for (let at = from; at < to; at = lineEnd(text, at) + 1) {
    const start = text.lastIndexOf("\n", at - 1) + 1;
    const line = text.slice(start, lineEnd(text, at));
    if (NO_TEXT.test(line)) continue;
    const opening = start + (LINE_OPENING.exec(line)?.[0].length ?? 0);
    const place = Math.max(at, opening);
    if (place < to && place <= start + line.length) return place;
  }
  return undefined;
}

/** The last place before `to`, and after `begin`, that is inside the text of a line. */
function endIn(text: string, begin: number, to: number): number {
  for (let at = to; at > begin; at = text.lastIndexOf("\n", at - 1)) {
    const start = text.lastIndexOf("\n", at - 1) + 1;
    const line = text.slice(start, lineEnd(text, start));
    if (NO_TEXT.test(line)) continue;
    const written = text.slice(start, at).replace(/[ \t]*\|?[ \t]*$/, "");
    const opening = LINE_OPENING.exec(line)?.[0].length ?? 0;
    if (written.length > opening) return Math.max(begin, start + written.length);
  }
  return begin;
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end;
}

/** Wraps what lies between the marks into `<mark>` elements, removes the marks, and returns the first element. */
export function showPassage(root: Node): HTMLElement | undefined {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const nodes: Text[] = [];
  while (walker.nextNode()) nodes.push(walker.currentNode as Text);
  let inside = false;
  let first: HTMLElement | undefined;
  for (const node of nodes) {
    const pieces: Node[] = [];
    for (const part of node.data.split(new RegExp(`(${BEGIN}|${END})`))) {
      if (part === BEGIN || part === END) inside = part === BEGIN;
      else if (!inside || part.trim() === "") pieces.push(document.createTextNode(part));
      else {
        const mark = document.createElement("mark");
        mark.textContent = part;
        pieces.push(mark);
        first ??= mark;
      }
    }
    if (inside || pieces.length > 1) node.replaceWith(...pieces);
  }
  return first;
}
