/** Reads the error details that a Deskwire server sends (`google.rpc` ErrorInfo, RetryInfo, BadRequest). */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** A field of the request that breaks a rule of the contract. */
export interface FieldViolation {
  /** Path of the field, such as `message.text`. */
  readonly field: string;
  /** The rule in words. */
  readonly description: string;
}

/** What the details of an error say, whatever form they came in. */
export interface ErrorDetails {
  reason?: string;
  metadata: Record<string, string>;
  violations: FieldViolation[];
  /** How long to wait before trying again, in milliseconds. */
  retryAfterMs?: number;
}

const PREFIX = "google.rpc.";
const DOMAIN = "deskwire";

/** Reads binary details, as gRPC carries them. Kinds that are not known are passed over. */
export function readBinaryDetails(details: Iterable<{ type: string; value: Uint8Array }>): ErrorDetails {
  const result: ErrorDetails = { metadata: {}, violations: [] };
  for (const { type, value } of details) {
    if (type === `${PREFIX}ErrorInfo`) readErrorInfo(value, result);
    else if (type === `${PREFIX}RetryInfo`) result.retryAfterMs = readRetryInfo(value);
    else if (type === `${PREFIX}BadRequest`) result.violations.push(...readBadRequest(value));
  }
  return result;
}

/** Reads details in their JSON form, as the `/v1/…` paths carry them. */
export function readJsonDetails(details: unknown): ErrorDetails {
  const result: ErrorDetails = { metadata: {}, violations: [] };
  if (!Array.isArray(details)) return result;
  for (const detail of details as Record<string, unknown>[]) {
    const type = text(detail["@type"]).split("/").pop();
    if (type === `${PREFIX}ErrorInfo` && text(detail["domain"]) === DOMAIN) {
      result.reason = text(detail["reason"]);
      Object.assign(result.metadata, detail["metadata"]);
    } else if (type === `${PREFIX}RetryInfo`) {
      result.retryAfterMs = Number.parseFloat(text(detail["retryDelay"])) * 1000;
    } else if (type === `${PREFIX}BadRequest` && Array.isArray(detail["fieldViolations"])) {
      for (const violation of detail["fieldViolations"] as Record<string, unknown>[]) {
        result.violations.push({ field: text(violation["field"]), description: text(violation["description"]) });
      }
    }
  }
  return result;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** Calls `read` with the number of each field; a field that `read` does not consume is skipped. */
function eachField(bytes: Uint8Array, read: (field: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    const wanted = wireType === WireType.LengthDelimited || wireType === WireType.Varint;
    if (!wanted || !read(field, reader)) reader.skip(wireType, field);
  }
}

/** Reads the length-delimited fields with the given numbers as texts. */
function readTexts(bytes: Uint8Array, count: number): string[] {
  const texts = new Array<string>(count).fill("");
  eachField(bytes, (field, reader) => {
    if (field < 1 || field > count) return false;
    texts[field - 1] = reader.string();
    return true;
  });
  return texts;
}

function readErrorInfo(bytes: Uint8Array, result: ErrorDetails): void {
  let reason = "";
  let domain = "";
  const metadata: Record<string, string> = {};
  eachField(bytes, (field, reader) => {
    if (field === 1) reason = reader.string();
    else if (field === 2) domain = reader.string();
    else if (field === 3) {
      const [key = "", value = ""] = readTexts(reader.bytes(), 2);
      metadata[key] = value;
    } else return false;
    return true;
  });
  if (domain !== DOMAIN) return;
  result.reason = reason;
  Object.assign(result.metadata, metadata);
}

function readRetryInfo(bytes: Uint8Array): number {
  let milliseconds = 0;
  eachField(bytes, (field, reader) => {
    if (field !== 1) return false;
    eachField(reader.bytes(), (part, duration) => {
      if (part === 1) milliseconds += Number(duration.int64()) * 1000;
      else if (part === 2) milliseconds += duration.int32() / 1e6;
      else return false;
      return true;
    });
    return true;
  });
  return milliseconds;
}

function readBadRequest(bytes: Uint8Array): FieldViolation[] {
  const violations: FieldViolation[] = [];
  eachField(bytes, (field, reader) => {
    if (field !== 1) return false;
    const [path = "", description = ""] = readTexts(reader.bytes(), 2);
    violations.push({ field: path, description });
    return true;
  });
  return violations;
}
