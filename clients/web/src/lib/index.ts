/** The client of Deskwire for browsers and Node. */
export * as api from "./api";
export type { Backoff } from "./backoff";
export { DeskwireClient, type DeskwireClientOptions } from "./client";
export { Conversation, type ConversationTarget, type SendOptions, type TurnOptions } from "./conversation";
export type { FieldViolation } from "./details";
export { DeskwireError, type Reason } from "./errors";
export {
  type AcceptedEvent,
  type CancelledEvent,
  type ChangedEvent,
  type CitationsEvent,
  type CompletedEvent,
  type DeskwireEvent,
  endsTurn,
  type FailedEvent,
  type MissedEvent,
  type RegeneratedEvent,
  type StartedEvent,
  type StatusEvent,
  type TextEvent,
  type TypingEvent,
} from "./events";
export type { DurableKind, TenantEvent, WatchEventsOptions } from "./feed";
export { type ImportDocument, type ImportProgress, MAX_DOCUMENT_BYTES, wasRefused } from "./import";
export { newRequestId } from "./request-id";
export type { ConnectionState } from "./stream";
export type { TokenSource } from "./token";
