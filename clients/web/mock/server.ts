/** A Deskwire server in memory: the same calls, streams and events, for tests and for work on the page. */
import { create } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";

import { api, newRequestId } from "../src/lib";
import { findPassages } from "./answers";
import { accept, acceptAgain } from "./turns";
import { World } from "./world";

const PAGE = 20;

/** The mock as a transport for `DeskwireClient`. */
export function createMockTransport(world: World = new World()): Transport {
  return createRouterTransport(({ service }) => {
    service(api.ChatService, {
      async *sendMessage(request, { signal }) {
        ready(world);
        const room =
          request.target.case === "conversationId"
            ? world.room(request.target.value)
            : (roomOfRequest(world, request.message?.requestId) ?? world.open());
        const { turnId, sequence } = accept(world, room, request.message ?? create(api.UserMessageSchema));
        yield* broken(world, withStatus(room.status(), room.follow(request.afterSequence ?? sequence - 1n, signal)), turnId);
      },
      async *regenerateAnswer(request, { signal }) {
        ready(world);
        const room = world.room(request.conversationId);
        const { turnId, sequence } = acceptAgain(world, room, request);
        yield* broken(world, withStatus(room.status(), room.follow(request.afterSequence ?? sequence - 1n, signal)), turnId);
      },
      async *watchConversation(request, { signal }) {
        ready(world);
        const room = world.room(request.conversationId);
        yield* broken(world, withStatus(room.status(), room.follow(request.afterSequence ?? 0n, signal)));
      },
      cancelTurn(request) {
        const { running } = world.room(request.conversationId);
        if (running === undefined) return { cancelled: false };
        running.stopped = true;
        return { turnId: running.turnId, cancelled: true };
      },
    });
    service(api.ConversationService, conversations(world));
    service(api.FeedbackService, feedback(world));
    service(api.KnowledgeGapService, knowledgeGaps(world));
    service(api.KnowledgeService, knowledge(world));
  });
}

function ready(world: World): void {
  if (world.faults.away) throw new ConnectError("the service is not available", Code.Unavailable);
}

function roomOfRequest(world: World, requestId = "") {
  if (requestId === "") return undefined;
  return [...world.rooms.values()].find((room) => room.messages.some((message) => message.requestId === requestId));
}

async function* withStatus(
  status: api.ConversationEvent,
  events: AsyncIterable<api.ConversationEvent>,
): AsyncGenerator<api.ConversationEvent> {
  yield status;
  yield* events;
}

/** Passes events on, as well as the faults allow; ends after the last event of a turn if one is named. */
async function* broken(
  world: World,
  events: AsyncIterable<api.ConversationEvent>,
  turnId?: string,
): AsyncGenerator<{ event: api.ConversationEvent }> {
  let sent = 0;
  for await (const event of events) {
    if (turnId !== undefined && event.turnId !== "" && event.turnId !== turnId) continue;
    if (world.faults.away || (world.faults.breakAfter !== undefined && sent >= world.faults.breakAfter)) {
      throw new ConnectError("the connection broke", Code.Unavailable);
    }
    sent += 1;
    yield { event };
    const last = ["messageCompleted", "turnFailed", "turnCancelled"].includes(event.event.case ?? "");
    if (turnId !== undefined && last) return;
  }
}

function conversations(world: World) {
  const newest = () => [...world.rooms.values()].map((room) => room.conversation).reverse();
  return {
    listConversations(request: api.ListConversationsRequest) {
      ready(world);
      const fitting = newest().filter((one) => one.title.toLowerCase().includes(request.query.toLowerCase()));
      return paged(fitting, request, (page) => ({ conversations: page }));
    },
    getConversation: (request: api.GetConversationRequest) => ({ conversation: world.room(request.conversationId).conversation }),
    updateConversation(request: api.UpdateConversationRequest) {
      const { conversation } = world.room(request.conversation?.id ?? "");
      conversation.title = request.conversation?.title ?? "";
      return { conversation };
    },
    endConversation(request: api.EndConversationRequest) {
      const { conversation } = world.room(request.conversationId);
      conversation.status = api.ConversationStatus.COMPLETED;
      return { conversation };
    },
    selectBranch(request: api.SelectBranchRequest) {
      ready(world);
      const room = world.room(request.conversationId);
      room.select(request.messageId);
      room.commit("", { case: "conversationChanged", value: create(api.ConversationChangedSchema, { conversation: room.conversation }) });
      return { conversation: room.conversation };
    },
    listMessages(request: api.ListMessagesRequest) {
      ready(world);
      const messages = world.room(request.conversationId).branch();
      return paged(request.newestFirst ? [...messages].reverse() : messages, request, (page) => ({ messages: page }));
    },
  };
}

function feedback(world: World) {
  return {
    submitFeedback({ conversationId, messageId, sentiment, comment, categories }: api.SubmitFeedbackRequest) {
      ready(world);
      const answer = world.room(conversationId).messages.find(({ id }) => id === messageId);
      if (answer === undefined) throw new ConnectError("no message with this id", Code.NotFound);
      const id = answer.feedback?.id ?? newRequestId();
      const given = { id, conversationId, messageId, sentiment, comment, categories, updateTime: timestampNow() };
      answer.feedback = create(api.FeedbackSchema, given);
      return { feedback: answer.feedback };
    },
  };
}

function knowledgeGaps(world: World) {
  return {
    listKnowledgeGaps(request: api.ListKnowledgeGapsRequest) {
      ready(world);
      return paged([...world.gaps.values()].map((gap) => ({ ...gap, questions: [] })), request, (page) => ({ gaps: page }));
    },
    getKnowledgeGap: ({ gapId }: api.GetKnowledgeGapRequest) => ({ gap: world.gaps.get(gapId) ?? create(api.KnowledgeGapSchema) }),
    closeKnowledgeGap({ gapId, articleId }: api.CloseKnowledgeGapRequest) {
      ready(world);
      const gap = world.gaps.get(gapId) ?? create(api.KnowledgeGapSchema);
      Object.assign(gap, { articleId, status: api.KnowledgeGapStatus.CLOSED });
      world.gaps.delete(gapId);
      return { gap };
    },
  };
}

function knowledge(world: World) {
  return {
    listArticles(request: api.ListArticlesRequest) {
      ready(world);
      const query = request.query.toLowerCase();
      const fitting = [...world.articles.values()]
        .filter((article) => `${article.title} ${article.sourcePath}`.toLowerCase().includes(query))
        .filter((article) => request.category === "" || article.category === request.category)
        .sort((a, b) => a.title.localeCompare(b.title))
        .map((article) => ({ ...article, content: "" }));
      return paged(fitting, request, (page) => ({ articles: page, totalCount: fitting.length }));
    },
    getArticle: (request: api.GetArticleRequest) => ({ article: world.article(request.articleId) }),
    createArticle: (request: api.CreateArticleRequest) => ({
      article: world.putArticle(Object.assign(create(api.ArticleSchema), request.article, { id: "" })),
    }),
    updateArticle(request: api.UpdateArticleRequest) {
      const sent = request.article ?? create(api.ArticleSchema);
      const article = world.article(sent.id);
      if (sent.etag !== "" && sent.etag !== article.etag) throw new ConnectError("the etag is not the current one", Code.Aborted);
      for (const path of request.updateMask?.paths ?? []) Object.assign(article, { [path]: sent[path as keyof api.Article] });
      return { article: world.putArticle(article) };
    },
    deleteArticle(request: api.DeleteArticleRequest) {
      world.articles.delete(world.article(request.articleId).id);
      return {};
    },
    searchKnowledge(request: api.SearchKnowledgeRequest) {
      const best = new Map<string, { article: api.Article; relevance: number; passages: object[] }>();
      for (const { article, score: relevance, text, heading: headingPath, start, end } of findPassages(world.articles.values(), request.query)) {
        const result = best.get(article.id) ?? { article: { ...article, content: "" }, relevance, passages: [] };
        if (result.passages.length < 3) result.passages.push({ text, headingPath, startOffset: start, endOffset: end, relevance });
        best.set(article.id, result);
      }
      return { results: [...best.values()], totalCount: best.size, searchTime: { seconds: 0n, nanos: 12_000_000 } };
    },
  };
}

/** One page of a list; its token is the place where the next one begins. */
function paged<T, R extends object>(
  all: readonly T[],
  request: { pageToken: string; pageSize: number },
  wrap: (page: T[]) => R,
): R & { nextPageToken: string } {
  const start = Number(request.pageToken || 0);
  const end = start + (request.pageSize || PAGE);
  return { ...wrap(all.slice(start, end)), nextPageToken: end < all.length ? String(end) : "" };
}
