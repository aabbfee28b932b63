/** Keeps the place in a conversation from which nothing was missed. */

/** Sequences seen so far. Streams of single turns may skip sequences, so the newest one seen is not always safe. */
export class Cursor {
  #position: bigint;
  readonly #ahead = new Set<bigint>();

  /** @param position Everything up to this sequence is known. */
  constructor(position = 0n) {
    this.#position = position;
  }

  /** The sequence up to which every event was seen: resume after it. */
  get position(): bigint {
    return this.#position;
  }

  /** Sequences seen beyond the position. */
  get ahead(): Iterable<bigint> {
    return this.#ahead;
  }

  /** Whether the event with this sequence was seen. */
  has(sequence: bigint): boolean {
    return sequence <= this.#position || this.#ahead.has(sequence);
  }

  /** Notes an event. Live events have the sequence 0 and leave no trace. */
  note(sequence: bigint): void {
    if (this.has(sequence)) return;
    this.#ahead.add(sequence);
    while (this.#ahead.delete(this.#position + 1n)) this.#position += 1n;
  }

  /** Nothing behind this sequence is there any more: sequences will be given anew. */
  rewind(sequence: bigint): void {
    if (sequence < this.#position) this.#position = sequence;
    for (const ahead of this.#ahead) if (ahead > sequence) this.#ahead.delete(ahead);
  }

  /** Everything up to this sequence is known from elsewhere, such as a list of messages. */
  advance(sequence: bigint): void {
    if (sequence <= this.#position) return;
    this.#position = sequence;
    for (const ahead of this.#ahead) if (ahead <= sequence) this.#ahead.delete(ahead);
    while (this.#ahead.delete(this.#position + 1n)) this.#position += 1n;
  }
}
