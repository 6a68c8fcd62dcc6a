import { type Arguments, parsedArguments, withoutSecrets } from "./model";
import type { Schema } from "./schema";

const keyOf = (user: string, server: string, tool: string) =>
  `mcphub.tool.${[user, server, tool].map(encodeURIComponent).join("/")}`;

/** What this reader gave the tool last, in this tab. */
export function keptArguments(user: string, server: string, tool: string): Arguments | null {
  try {
    return parsedArguments(sessionStorage.getItem(keyOf(user, server, tool)) ?? "");
  } catch {
    return null;
  }
}

/** Keeps them while the tab lives, secrets left out. */
export function keepArguments(
  user: string,
  server: string,
  tool: string,
  typed: Arguments,
  root: Schema,
): void {
  try {
    sessionStorage.setItem(keyOf(user, server, tool), JSON.stringify(withoutSecrets(typed, root)));
  } catch {
    // then they are typed again
  }
}
