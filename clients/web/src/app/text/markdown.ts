/** Turns Markdown into safe nodes: no scripts, no pictures from elsewhere, links that leave the page alone. */
import DOMPurify from "dompurify";
import { marked, type Token, type Tokens } from "marked";

const SAFE = {
  ALLOWED_TAGS: [
    "a", "b", "blockquote", "br", "code", "dd", "del", "details", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6",
    "hr", "i", "input", "kbd", "li", "mark", "ol", "p", "pre", "s", "span", "strong", "sub", "summary", "sup", "table",
    "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
  ],
  ALLOWED_ATTR: ["href", "title", "align", "start", "type", "checked", "disabled", "class", "colspan", "rowspan", "open"],
  // The rule for addresses below is applied to every attribute that is not named here.
  ADD_URI_SAFE_ATTR: ["align", "start", "type", "checked", "disabled", "colspan", "rowspan", "open"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|tel:|\/(?!\/)|#)/i,
  RETURN_DOM_FRAGMENT: true as const,
};

/** A part of a document that is rendered by itself, so that a growing answer redraws its last part only. */
export interface Block {
  readonly raw: string;
  readonly html: string;
}

/** Cuts Markdown into its topmost blocks. */
export function toBlocks(source: string): Block[] {
  const tokens = marked.lexer(source, { gfm: true }).filter((token) => token.type !== "space");
  fitHeadings(tokens);
  return tokens.map((token) => ({ raw: token.raw, html: marked.parser([token]) }));
}

/** The text alone, in one line. */
export function plainText(source: string): string {
  const text = toBlocks(source).map(({ html }) => toSafeNodes(html).textContent);
  return text.join(" ").replaceAll(/\s+/g, " ").trim();
}

/** The page's own headings end at level two: those of a document begin at three and leave no level out. */
function fitHeadings(tokens: Token[]): void {
  const headings = tokens.filter((token): token is Tokens.Heading => token.type === "heading");
  const top = Math.min(...headings.map(({ depth }) => depth));
  let last = 2;
  for (const heading of headings) {
    heading.depth = last = Math.min(6, last + 1, heading.depth - top + 3);
  }
}

/** Safe nodes for HTML that came from Markdown. */
export function toSafeNodes(html: string): DocumentFragment {
  const fragment = DOMPurify.sanitize(html, SAFE);
  for (const link of fragment.querySelectorAll("a[href]")) {
    link.setAttribute("target", "_blank");
    link.setAttribute("rel", "noopener noreferrer");
  }
  // Classes would let a document dress up as a part of the page.
  for (const element of fragment.querySelectorAll("[class]")) {
    if (!/^language-[\w+#.-]+$/.test(element.className)) element.removeAttribute("class");
  }
  for (const box of fragment.querySelectorAll("input")) {
    if (box.getAttribute("type") === "checkbox") box.setAttribute("aria-label", "Done");
    else box.remove();
  }
  // Those that were written as HTML.
  for (const heading of fragment.querySelectorAll("h1,h2")) {
    const lowered = document.createElement("h3");
    lowered.append(...heading.childNodes);
    heading.replaceWith(lowered);
  }
  for (const table of fragment.querySelectorAll("table")) scrollSideways(table, "Table");
  for (const code of fragment.querySelectorAll("pre")) scrollSideways(code, "Code");
  return fragment;
}

/** Puts wide content into a frame that scrolls, by keyboard as well. */
function scrollSideways(content: Element, label: string): void {
  const frame = document.createElement("div");
  frame.className = `scroll-frame scroll-${label.toLowerCase()}`;
  content.replaceWith(frame);
  const region = document.createElement("div");
  region.className = "scroll-x";
  region.tabIndex = 0;
  region.setAttribute("role", "group");
  region.setAttribute("aria-label", label);
  region.append(content);
  if (label === "Code") {
    const language = /language-([\w+-]+)/.exec(content.querySelector("code")?.className ?? "")?.[1] ?? "";
    const bar = document.createElement("div");
    bar.className = "code-bar";
    const name = document.createElement("span");
    name.textContent = language;
    const copy = document.createElement("button");
    copy.type = "button";
    copy.className = "code-copy";
    copy.dataset["copy"] = "code";
    copy.textContent = "Copy";
    bar.append(name, copy);
    frame.append(bar);
  }
  frame.append(region);
}

/** Text nodes outside code and links, in the order of the document. */
export function* proseOf(root: Node): Generator<Text> {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT, (node) =>
    node instanceof Element && ["CODE", "PRE", "A", "BUTTON"].includes(node.tagName)
      ? NodeFilter.FILTER_REJECT
      : NodeFilter.FILTER_ACCEPT,
  );
  const found: Text[] = [];
  while (walker.nextNode()) if (walker.currentNode instanceof Text) found.push(walker.currentNode);
  yield* found;
}
