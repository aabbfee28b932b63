/** Questions that found no answer: what to write an article about. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import type { api } from "../../lib";
import { closeGap, gaps, gapsError, gapsState, hasMoreGaps, loadGaps, questionsOf } from "../state/gaps";
import { drawerOpen, narrow } from "../state/layout";
import { notify, report } from "../state/notices";
import { chatAddress } from "../state/router";
import { shortDay, toDate } from "../text/time";
import { ArticleEditor } from "./article-editor";
import { Icon } from "./icon";
import { Empty, IconButton, Skeleton, Trouble } from "./pieces";

export function GapsPage() {
  const [writing, setWriting] = useState<api.KnowledgeGap>();
  useEffect(() => {
    document.title = "Open questions · Deskwire";
    void loadGaps();
  }, []);
  const region = useFocusKept(gaps.value.length);
  const onSaved = (articleId: string): void => {
    if (writing) void closeGap(writing.id, articleId).then(() => notify("The question is closed"));
  };
  return (
    <main id="main" tabIndex={-1} class="knowledge" inert={narrow.value && drawerOpen.value}>
      <header class="topbar">
        {narrow.value && <IconButton icon="menu" label="Open the list" onClick={() => (drawerOpen.value = true)} />}
        <h1 class="topbar-title">Open questions</h1>
      </header>
      <div class="knowledge-scroll" tabIndex={0} role="region" aria-label="Open questions" ref={region}>
        <div class="knowledge-column"><Gaps onWrite={setWriting} /></div>
      </div>
      {writing && <ArticleEditor id="" title={writing.question} onSaved={onSaved} onClose={() => setWriting(undefined)} />}
    </main>
  );
}

/** The region takes the focus when what had it goes with its gap. */
function useFocusKept(count: number): { current: HTMLDivElement | null } {
  const region = useRef<HTMLDivElement>(null);
  const before = useRef(count);
  useLayoutEffect(() => {
    if (count < before.current && document.activeElement === document.body) region.current?.focus({ preventScroll: true });
    before.current = count;
  }, [count]);
  return region;
}

function Gaps({ onWrite }: { onWrite: (gap: api.KnowledgeGap) => void }) {
  if (gapsState.value === "loading") return <Skeleton lines={7} label="Loading open questions" />;
  if (gapsState.value === "failed" && gapsError.value) {
    return <Trouble error={gapsError.value} onRetry={() => void loadGaps()} />;
  }
  if (gaps.value.length === 0) {
    return <Empty icon="check" title="Nothing is open">Questions that your articles do not answer are listed here.</Empty>;
  }
  return (
    <>
      <p class="count" role="status">Asked and not answered, most often first</p>
      <ul class="rows">{gaps.value.map((gap) => <GapRow key={gap.id} gap={gap} onWrite={onWrite} />)}</ul>
      {hasMoreGaps.value && (
        <button type="button" class="button button-quiet button-wide" onClick={() => void loadGaps(true)}>Show more</button>
      )}
    </>
  );
}

function GapRow({ gap, onWrite }: { gap: api.KnowledgeGap; onWrite: (gap: api.KnowledgeGap) => void }) {
  const [questions, setQuestions] = useState<readonly api.KnowledgeGapQuestion[]>();
  const asked = toDate(gap.lastAskedTime);
  const toggle = (): void => {
    if (questions) setQuestions(undefined);
    else questionsOf(gap.id).then(setQuestions, report);
  };
  return (
    <li class="row gap">
      <div class="gap-head">
        <button type="button" class="row-button" aria-expanded={questions !== undefined} onClick={toggle}>
          <span class="row-main">
            <span class="row-title">{gap.question}</span>
            <span class="gap-facts">{times(gap)}{asked && `, last on ${shortDay(asked)}`}</span>
          </span>
          <Icon name="right" size={16} />
        </button>
        <span class="gap-actions">
          <button type="button" class="button" onClick={() => onWrite(gap)}>
            <Icon name="edit" size={15} /> Write an article
          </button>
          <IconButton icon="check" label="Needs no article" onClick={() => void closeGap(gap.id)} />
        </span>
      </div>
      {questions && (
        <ul class="gap-questions" aria-label="Latest questions">
          {questions.map((question) => (
            <li key={question.answerMessageId}><a href={chatAddress(question.conversationId)}>{question.text}</a></li>
          ))}
        </ul>
      )}
    </li>
  );
}

function times({ questionCount, userCount }: api.KnowledgeGap): string {
  const often = questionCount === 1 ? "Asked once" : `Asked ${questionCount.toLocaleString()} times`;
  return userCount > 1 ? `${often} by ${userCount.toLocaleString()} people` : often;
}
