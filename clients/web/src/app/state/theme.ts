/** Light or dark: as the system says, or as the person chose. */
import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const KEY = "deskwire.theme";
const ORDER: readonly Theme[] = ["system", "light", "dark"];

export const theme = signal<Theme>(stored());

/** Takes the next theme of system, light, dark, and remembers it. */
export function nextTheme(): void {
  theme.value = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length] ?? "system";
  localStorage.setItem(KEY, theme.value);
  applyTheme();
}

/** Shows the theme. */
export function applyTheme(): void {
  if (theme.value === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme.value;
}

function stored(): Theme {
  const value = localStorage.getItem(KEY);
  return ORDER.find((known) => known === value) ?? "system";
}
