/** The one error that the client throws, with the reason that the server gave. */
import { Code, ConnectError } from "@connectrpc/connect";

import { ErrorReason } from "./api";
import { type ErrorDetails, type FieldViolation, readBinaryDetails, readJsonDetails } from "./details";

/**
 * Why a call failed: a reason of the contract, or one of the client's own. `CONNECTION_LOST`: no answer, or none
 * that could be understood. `CANCELLED`: the caller's own signal ended the call. `UNKNOWN`: the server gave no reason.
 */
export type Reason = Exclude<keyof typeof ErrorReason, "UNSPECIFIED"> | "CONNECTION_LOST" | "CANCELLED" | "UNKNOWN";

const CODES = Object.values(Code).filter((code) => typeof code === "number");

interface DeskwireErrorInit extends Partial<ErrorDetails> {
  code: Code;
  requestId?: string | undefined;
  cause?: unknown;
}

/** A call that failed. Branch on `reason`; `message` is for people and may change. */
export class DeskwireError extends Error {
  override readonly name = "DeskwireError";
  /** The gRPC code. */
  readonly code: Code;
  /** Why. */
  readonly reason: Reason;
  /** Facts that belong to the reason, such as `last_sequence`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Fields of the request that break a rule. */
  readonly violations: readonly FieldViolation[];
  /** How long the server asks to wait before another try, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** Names the call in the server's log. */
  readonly requestId: string | undefined;

  constructor(message: string, init: DeskwireErrorInit & { reason?: string }) {
    super(message, { cause: init.cause });
    this.code = init.code;
    this.reason = knownReason(init.reason);
    this.metadata = init.metadata ?? {};
    this.violations = init.violations ?? [];
    this.retryAfterMs = init.retryAfterMs;
    this.requestId = init.requestId ?? this.metadata["request_id"];
  }

  /** Whether the same call may succeed later without a change. A stream may be resumed after such an error. */
  get transient(): boolean {
    if (this.code === Code.Unavailable) return true;
    const unclear = this.code === Code.Internal || this.code === Code.Unknown || this.code === Code.DeadlineExceeded;
    // Envoy reports a lost worker as INTERNAL without details; a fault of the server itself has a reason.
    return unclear && this.reason === "UNKNOWN";
  }

  /** Turns whatever was thrown into a `DeskwireError`. */
  static from(error: unknown): DeskwireError {
    if (error instanceof DeskwireError) return error;
    if (error instanceof TypeError || (error instanceof ConnectError && error.cause instanceof TypeError)) {
      return DeskwireError.connectionLost(error);
    }
    const connect = ConnectError.from(error);
    if (connect.code === Code.Canceled) {
      return new DeskwireError("the call was cancelled", { code: Code.Canceled, reason: "CANCELLED", cause: error });
    }
    return new DeskwireError(connect.rawMessage, {
      code: connect.code,
      ...readBinaryDetails(connect.details.filter((detail) => "type" in detail)),
      requestId: connect.metadata.get("x-request-id") ?? undefined,
      cause: error,
    });
  }

  /** Makes an error of the body that a `/v1/…` path answers with. */
  static fromJson(body: unknown, httpStatus: number): DeskwireError {
    const status = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
    const code = CODES.find((known) => known === status["code"]) ?? Code.Unknown;
    const message = typeof status["message"] === "string" ? status["message"] : `HTTP status ${httpStatus}`;
    return new DeskwireError(message, { code, ...readJsonDetails(status["details"]) });
  }

  /** The server could not be reached, or went silent. */
  static connectionLost(cause?: unknown): DeskwireError {
    return new DeskwireError("the connection to the server was lost", {
      code: Code.Unavailable,
      reason: "CONNECTION_LOST",
      cause,
    });
  }
}

function knownReason(reason: string | undefined): Reason {
  if (reason === "CONNECTION_LOST" || reason === "CANCELLED") return reason;
  return reason !== undefined && reason !== "UNSPECIFIED" && reason in ErrorReason ? (reason as Reason) : "UNKNOWN";
}
