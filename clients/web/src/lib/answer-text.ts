/** Puts the text of an answer together from its pieces, however often some of them come. */

/** What a piece did to the text. `gap`: a piece before it is missing, nothing was changed. */
export type PieceOutcome = "grown" | "restarted" | "known" | "gap";

/** The text of one answer. Offsets and lengths are Unicode code points. */
export class AnswerText {
  #attempt = 0;
  #text = "";
  #length = 0;

  get attempt(): number {
    return this.#attempt;
  }

  get text(): string {
    return this.#text;
  }

  /** Begins an attempt: text of earlier ones is void. Returns whether it is newer than what was known. */
  begin(attempt: number): boolean {
    if (attempt <= this.#attempt) return false;
    this.#attempt = attempt;
    this.#text = "";
    this.#length = 0;
    return true;
  }

  /** Adds a piece that begins at `offset`. Pieces of earlier attempts, and what is there already, change nothing. */
  add(attempt: number, offset: number, piece: string): PieceOutcome {
    if (attempt < this.#attempt) return "known";
    const restarted = this.#text !== "" && attempt > this.#attempt;
    if (attempt > this.#attempt && offset > 0) return "gap";
    this.begin(attempt);
    if (offset > this.#length) return "gap";
    const fresh = Array.from(piece).slice(this.#length - offset);
    if (fresh.length === 0) return restarted ? "restarted" : "known";
    this.#text += fresh.join("");
    this.#length += fresh.length;
    return restarted ? "restarted" : "grown";
  }
}
