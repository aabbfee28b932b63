/** Times as people say them. */
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "short" });
const DAY_MS = 86_400_000;

export function toDate(time: Timestamp | undefined): Date | undefined {
  return time && timestampDate(time);
}

/** `14:05` */
export function clockTime(time: Date): string {
  return clock.format(time);
}

/** `3 Feb 2026` */
export function shortDay(time: Date): string {
  return day.format(time);
}

/** `3 February 2026 at 14:05` */
export function fullTime(time: Date): string {
  return full.format(time);
}

/** The heading under which a list shows something of this time. */
export function ageGroup(time: Date, now: Date): string {
  const today = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  if (time.getTime() >= today) return "Today";
  if (time.getTime() >= today - DAY_MS) return "Yesterday";
  if (time.getTime() >= today - 7 * DAY_MS) return "Last 7 days";
  return "Older";
}
