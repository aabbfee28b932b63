/** Where the focus goes when what had it is no longer there. */

/** To the field where people write, or to the messages where that would open a keyboard on the screen. */
export function focusConversation(): void {
  const place = window.matchMedia("(hover: hover)").matches ? "message" : "messages";
  document.getElementById(place)?.focus({ preventScroll: true });
}

/** To the pager of a message, in the middle of its scroller: to its button number `step`, or the other one at an end. */
export function focusPager(messageId: string, step: number): void {
  const pager = document.querySelector(`[data-branches="${CSS.escape(messageId)}"]`);
  const buttons = [...(pager?.querySelectorAll("button") ?? [])];
  const target = [buttons[step], ...buttons].find((button) => button?.disabled === false);
  pager?.scrollIntoView({ block: "center" });
  target?.focus({ preventScroll: true });
}
