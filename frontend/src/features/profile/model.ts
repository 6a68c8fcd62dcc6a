import type { BrowserSession } from "@/api/schema.gen";

const BROWSERS: [RegExp, string][] = [
  [/\bEdgA?\/|\bEdgiOS\//, "Edge"],
  [/\bOPR\//, "Opera"],
  [/\bSamsungBrowser\//, "Samsung Internet"],
  [/\bWhale\//, "Whale"],
  [/\bFirefox\/|\bFxiOS\//, "Firefox"],
  [/\bChrom(e|ium)\/|\bHeadlessChrome\/|\bCriOS\//, "Chrome"],
  [/\bSafari\//, "Safari"],
];
const SYSTEMS: [RegExp, string][] = [
  [/iPhone|iPad/, "iOS"],
  [/Android/, "Android"],
  [/Windows/, "Windows"],
  [/Mac OS X|Macintosh/, "macOS"],
  [/CrOS/, "ChromeOS"],
  [/Linux/, "Linux"],
];

/** What a user agent says of itself, shortly: `Chrome, macOS`; the program's own name for what is no browser. */
export function deviceOf(agent: string): string {
  const found = (names: [RegExp, string][]) => names.find(([form]) => form.test(agent))?.[1];
  const parts = [found(BROWSERS), found(SYSTEMS)].filter(Boolean);
  return parts.length > 0 ? parts.join(", ") : (agent.split(/[\s/]/)[0] ?? "");
}

/** This browser first, then the newest. */
export function inOrder(sessions: BrowserSession[]): BrowserSession[] {
  return [...sessions].sort(
    (a, b) => Number(b.current) - Number(a.current) || b.signedInAt.localeCompare(a.signedInAt),
  );
}

/** Every time zone this browser knows, the reader's own first; UTC is not in the browser's list. */
export function timeZones(own: string): string[] {
  const known = Intl.supportedValuesOf("timeZone");
  return [...new Set([own, "UTC", ...known])];
}

export interface PasswordDraft {
  current: string;
  fresh: string;
  again: string;
}

const LEAST = 12; // characters, as the hub asks for

/** What stands in the way of sending it; null for nothing. */
export function passwordProblem(draft: PasswordDraft): "empty" | "short" | "differs" | null {
  if (draft.current === "" || draft.fresh === "") return "empty";
  if (draft.fresh.length < LEAST) return "short";
  return draft.fresh === draft.again ? null : "differs";
}
