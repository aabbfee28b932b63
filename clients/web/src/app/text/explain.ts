/** Says what went wrong in words that a person understands, by the reason of the error. */
import { DeskwireError, type Reason } from "../../lib";

/** An error as the page shows it. */
export interface Explanation {
  readonly title: string;
  readonly advice: string;
  /** Whether a button to try again makes sense. */
  readonly canRetry: boolean;
}

const later = "Please try again in a moment.";

const WORDS: Partial<Record<Reason, readonly [title: string, advice: string, canRetry: boolean]>> = {
  INTERNAL: ["Something went wrong on our side", later, true],
  INVALID_FIELD: ["This can't be sent as it is", "Please check what you entered.", false],
  PAGE_TOKEN_INVALID: ["The list has changed", "Please load it again.", true],
  TOKEN_MISSING: ["Please sign in", "You need to sign in to go on.", false],
  TOKEN_INVALID: ["This token is not accepted", "Check that you copied all of it, or ask for a new one.", false],
  TOKEN_EXPIRED: ["Your sign-in has expired", "Please sign in again.", false],
  TOKEN_REVOKED: ["Your access was withdrawn", "Please ask your administrator.", false],
  ROLE_TOO_LOW: ["You don't have permission for this", "Please ask an administrator.", false],
  TENANT_SUSPENDED: ["Your organisation's access is paused", "Please ask your administrator.", false],
  TENANT_MISMATCH: ["This belongs to another organisation", "Sign in there to see it.", false],
  RESOURCE_NOT_FOUND: ["This doesn't exist any more", "It may have been deleted, or the address is wrong.", false],
  RESOURCE_EXISTS: ["There is one already", "Please choose another name or path.", false],
  ETAG_MISMATCH: ["Somebody else changed this meanwhile", "Load their version before you save yours.", false],
  STATE_CONFLICT: ["This isn't possible right now", "Its state has changed. Please load it again.", true],
  ANSWER_RUNNING: ["An answer is still being written", "Wait for it, or stop it first.", true],
  CONVERSATION_CLOSED: ["This conversation has ended", "Start a new one to go on.", false],
  READER_TOO_SLOW: ["The connection was too slow", "Reconnecting may help.", true],
  SERVER_DRAINING: ["The service is restarting", later, true],
  ABANDONED: ["This answer was stopped", "Nobody was watching it. Ask again to continue.", true],
  OWNER_CHANGED: ["A person has taken over", "They answer in this conversation now.", false],
  RATE_LIMITED: ["That was a little fast", "Please wait a moment before you send more.", true],
  TOO_MANY_STREAMS: ["Too many windows are open", "Close some of them and try again.", true],
  TOKEN_BUDGET_EXHAUSTED: ["The budget for answers is used up", "Please ask your administrator.", false],
  OVERLOADED: ["The service is very busy", later, true],
  DEPENDENCY_UNAVAILABLE: ["The service is not fully available", "Your message is safe. " + later, true],
  PROVIDER_UNAVAILABLE: ["The assistant could not answer", "Your question is saved. " + later, true],
  RESPONSE_TIMEOUT: ["The answer took too long", "Your question is saved. " + later, true],
  PROVIDER_UNKNOWN: ["This assistant is not set up", "Please ask your administrator.", false],
  DOCUMENT_UNREADABLE: ["The document can't be read", "It is not what its name says, or it is damaged.", false],
  DOCUMENT_EMPTY: ["The document has no text", "There is nothing in it to find.", false],
  DOCUMENT_TOO_LARGE: ["The document is too large", "Documents may have up to 3 MB.", false],
  DOCUMENT_TYPE_UNSUPPORTED: ["This kind of file isn't supported", "Use Markdown, HTML, plain text, PDF or Word.", false],
  SOURCE_LIMIT_REACHED: ["There are too many sites", "Delete one that is not needed.", false],
  PAGE_UNREACHABLE: ["The page can't be fetched", "It is tried again later.", false],
  EMBEDDER_UNKNOWN: ["This embedder is not set up", "Choose one that the server has.", false],
  EMBEDDER_NOT_READY: ["The embedder is not ready yet", "Wait until all passages have its vectors.", true],
  EMBEDDER_ACTIVE: ["Search uses this embedder", "Switch to another one first.", false],
  INTENTS_INSUFFICIENT: ["There is too little to learn from", "Add at least two intents with two examples each.", false],
  INTENTS_NOT_TRAINED: ["The intents are not trained yet", "Train them first.", false],
  INTENT_LIMIT_REACHED: ["There are too many intents", "Delete some that are not needed.", false],
  TRAINING_FAILED: ["The training did not end", "What was trained before still answers.", true],
  CANCELLED: ["Not sent", "You stopped it before it arrived.", true],
  CONNECTION_LOST: ["No connection", "Check your network. We keep what you wrote.", true],
};

/** Explains a reason, with a fallback for those without words of their own. */
export function explainReason(reason: Reason): Explanation {
  const [title, advice, canRetry] = WORDS[reason] ?? ["Something went wrong", later, true];
  return { title, advice, canRetry };
}

/** Explains whatever was thrown. */
export function explain(error: unknown): Explanation {
  const failure = DeskwireError.from(error);
  const explanation = explainReason(failure.reason);
  if (failure.violations.length > 0) {
    return { ...explanation, advice: failure.violations.map(({ description }) => sentence(description)).join(" ") };
  }
  if (failure.retryAfterMs !== undefined && failure.retryAfterMs >= 1000) {
    return { ...explanation, advice: `Please try again in ${Math.ceil(failure.retryAfterMs / 1000)} seconds.` };
  }
  if (failure.reason === "INTERNAL" && failure.requestId !== undefined) {
    return { ...explanation, advice: `${explanation.advice} If you report it, name ${failure.requestId}.` };
  }
  return explanation;
}

function sentence(text: string): string {
  const trimmed = text.trim();
  return trimmed.charAt(0).toUpperCase() + trimmed.slice(1) + (/[.!?]$/.test(trimmed) ? "" : ".");
}
