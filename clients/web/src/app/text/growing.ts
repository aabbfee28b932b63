/** Makes Markdown that is still being written look as it will when it is whole, so that nothing flickers. */

const FENCE = /^ {0,3}(?:```|~~~)/gm;

/** The text with its last paragraph closed, or cut where it can't be told yet what it will become. */
export function tidyEnd(text: string): string {
  if (((text.match(FENCE) ?? []).length & 1) === 1) return text;
  const start = text.lastIndexOf("\n\n") + 1;
  const head = text.slice(0, start);
  return head + closeEmphasis(withoutHalfTable(text.slice(start)).replace(/\[\d{0,3}$/, ""));
}

/** A table is one once its second line is whole. */
function withoutHalfTable(paragraph: string): string {
  const lines = paragraph.split("\n");
  const begin = lines.findIndex((line) => line.startsWith("|"));
  if (begin < 0) return paragraph;
  const [header = "", rule] = lines.slice(begin);
  const whole = rule !== undefined && cells(rule) === cells(header) && /^[|:\- ]+\|\s*$/.test(rule);
  return whole ? paragraph : lines.slice(0, begin).join("\n");
}

function cells(row: string): number {
  return row.split("|").length;
}

function closeEmphasis(paragraph: string): string {
  const outsideCode = paragraph.replace(/`[^`\n]*`/g, "");
  if (outsideCode.includes("`")) return paragraph.endsWith("`") ? paragraph.replace(/`+$/, "") : `${paragraph}\``;
  if (((outsideCode.match(/\*\*/g) ?? []).length & 1) === 0) return paragraph.replace(/(^|\s)\*$/, "$1");
  const open = paragraph.replace(/\*+$/, "");
  return /\*\*\s*$/.test(paragraph) ? open.trimEnd() : `${open.trimEnd()}**`;
}
