/** The article behind a citation, open at the passage. */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { api, DeskwireError } from "../../lib";
import { narrow, openSource } from "../state/layout";
import { signOutIfRefused } from "../state/notices";
import { client } from "../state/session";
import { toBlocks, toSafeNodes } from "../text/markdown";
import { markSource, showPassage } from "../text/passage";
import { shortDay, toDate } from "../text/time";
import { Icon } from "./icon";
import { IconButton, Skeleton, Trouble } from "./pieces";

export function SourcePanel({ citation }: { citation: api.Citation }) {
  const [article, setArticle] = useState<api.Article>();
  const [error, setError] = useState<DeskwireError>();
  const panel = useRef<HTMLDivElement>(null);

  const { articleId } = citation;
  const load = useCallback(async (): Promise<void> => {
    setError(undefined);
    try {
      setArticle((await client.value?.knowledge.getArticle({ articleId }))?.article);
    } catch (failed) {
      if (!signOutIfRefused(failed)) setError(DeskwireError.from(failed));
    }
  }, [articleId]);
  useEffect(() => {
    void load();
  }, [load]);
  // Before the next paint: later the focus may have gone on, and the opener would be somebody else.
  useLayoutEffect(() => {
    const opener = document.activeElement;
    panel.current?.focus();
    return () => heirOf(opener)?.focus();
  }, []);

  const close = (): void => {
    openSource.value = undefined;
  };
  const updated = article && toDate(article.updateTime);
  return (
    <div
      class="panel"
      ref={panel}
      tabIndex={-1}
      role={narrow.value ? "dialog" : "complementary"}
      aria-modal={narrow.value || undefined}
      aria-label={`Source: ${citation.title}`}
    >
      <div class="panel-head">
        <span class="source-number">{citation.number}</span>
        <h2>{citation.title}</h2>
        <IconButton icon="close" label="Close the source" onClick={close} />
      </div>
      <div class="panel-scroll" tabIndex={0} role="group" aria-label="Article">
        <p class="panel-facts">
          {article?.category && <span class="tag">{article.category}</span>}
          {updated && <span>Updated {shortDay(updated)}</span>}
          {/^https?:/i.test(citation.url) && (
            <a href={citation.url} target="_blank" rel="noopener noreferrer">Open <Icon name="external" size={13} /></a>
          )}
        </p>
        {error && <Trouble error={error} onRetry={() => void load()} />}
        {!article && !error && <Skeleton lines={9} label="Loading the article" />}
        {article && <ArticleText article={article} citation={citation} />}
      </div>
    </div>
  );
}

function ArticleText({ article, citation }: { article: api.Article; citation: api.Citation }) {
  const host = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (host.current === null) return;
    const marked = markSource(article.content, citation.startOffset, citation.endOffset);
    host.current.replaceChildren(...toBlocks(marked).map(({ html }) => toSafeNodes(html)));
    const first = showPassage(host.current);
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    first?.scrollIntoView({ block: "center", behavior: calm ? "instant" : "smooth" });
  }, [article, citation]);
  return <div class="prose prose-article" ref={host} />;
}

/** What opened the panel, or what took its place where its answer was drawn anew meanwhile. */
function heirOf(opener: Element | null): HTMLElement | undefined {
  if (!(opener instanceof HTMLElement)) return undefined;
  if (opener.isConnected) return opener;
  const { citation } = opener.dataset;
  if (citation === undefined) return undefined;
  return [...document.querySelectorAll<HTMLElement>(`[data-citation="${citation}"]`)].at(-1);
}
