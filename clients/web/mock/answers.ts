/** Composes answers for the mock server: the passages of the sample articles that share words with the question. */
import { create } from "@bufbuild/protobuf";

import { api } from "../src/lib";

/** An answer before it is streamed. */
export interface Draft {
  text: string;
  citations: api.Citation[];
  followUps: string[];
  grounded: boolean;
  intent: string;
}

/** A passage with its place in the article, in code points. */
export interface Passage {
  article: api.Article;
  heading: string[];
  text: string;
  start: number;
  end: number;
  score: number;
}

const LITTLE = new Set("a an and are at be can do does for from how i if in is it me my of on or the to what when where with you your".split(" "));

function words(text: string): string[] {
  return (text.toLowerCase().match(/\p{L}+/gu) ?? []).filter((word) => !LITTLE.has(word)).map((word) => word.slice(0, 5));
}

/** The passages of all articles that fit a query, best first. */
export function findPassages(articles: Iterable<api.Article>, query: string): Passage[] {
  const wanted = new Set(words(query));
  const found: Passage[] = [];
  for (const article of articles) {
    for (const passage of passagesOf(article)) {
      const inTitle = words(article.title).filter((word) => wanted.has(word)).length;
      const inText = new Set(words(`${passage.heading.join(" ")} ${passage.text}`).filter((word) => wanted.has(word))).size;
      const score = Math.min(1, (inTitle * 1.5 + inText) / (wanted.size * 2.2));
      if (inTitle + inText > 0) found.push({ ...passage, score });
    }
  }
  return found.sort((a, b) => b.score - a.score);
}

function* passagesOf(article: api.Article): Generator<Passage> {
  for (const match of article.content.matchAll(/(?:^## (.+)\n\n)?((?:(?!^## )[^])+)/gm)) {
    const text = match[2]?.trim() ?? "";
    if (text === "") continue;
    const at = article.content.indexOf(text, match.index);
    const start = Array.from(article.content.slice(0, at)).length;
    yield { article, heading: match[1] ? [match[1]] : [], text, start, end: start + Array.from(text).length, score: 0 };
  }
}

/** Composes an answer, or says that there is none. */
export function compose(articles: Iterable<api.Article>, question: string): Draft {
  const best = findPassages(articles, question).filter((passage) => passage.score > 0.2).slice(0, 3);
  const [first, second] = best;
  if (first === undefined) {
    return {
      text: "I could not find anything about that in the help centre. You could say it in other words, or ask for a person.",
      citations: [],
      followUps: ["How do I change my plan?", "How do I reset my password?"],
      grounded: false,
      intent: "general_help",
    };
  }
  const parts = [`Here is what the help centre says about **${first.article.title.toLowerCase()}**:`, quote(first, 1)];
  if (second !== undefined) parts.push(`See also **${second.article.title}**:`, quote(second, 2));
  return {
    text: parts.join("\n\n"),
    citations: best.slice(0, 2).map((passage, index) => citationOf(passage, index + 1)),
    followUps: best.slice(1).map((passage) => `Tell me more about ${(passage.heading[0] ?? passage.article.title).toLowerCase()}`),
    grounded: true,
    intent: first.article.category,
  };
}

/** The passage with its citation where a reader expects it: not inside code or a table. */
function quote(passage: Passage, number: number): string {
  const tail = /(```|\|)\s*$/.test(passage.text) ? `\n\nFrom the article on ${passage.article.title.toLowerCase()}` : "";
  return `${passage.text}${tail} [${number}]`;
}

function citationOf(passage: Passage, number: number): api.Citation {
  return create(api.CitationSchema, {
    number,
    articleId: passage.article.id,
    title: passage.article.title,
    sourcePath: passage.article.sourcePath,
    headingPath: passage.heading,
    snippet: passage.text.slice(0, 400),
    startOffset: passage.start,
    endOffset: passage.end,
    relevance: passage.score,
  });
}
