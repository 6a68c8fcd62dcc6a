import type { Access } from "@/api/access";
import type { Filter, Mode } from "./search";

export const WHOLE = "/mcp";

/** An address as it may stand in the browser's own: somebody may have pasted one with a key in it, which goes. */
export function safeAddress(typed: string): string {
  const text = typed.trim().replace(/^[a-z]+:\/\/[^/]*/i, "");
  const [path = "", query = ""] = text.split("?", 2);
  const kept = [...new URLSearchParams(query)].filter(([name]) => name === "mode" || name === "why");
  const asked = new URLSearchParams(kept).toString();
  return (path + (asked ? `?${asked}` : "")).replace(/mcphub_[A-Za-z0-9_-]+/g, "");
}

/** @param mode `auto` is whatever the address, the key and the user say. */
export function addressOf(path: string, mode: Mode): string {
  if (mode === "auto") return path;
  return `${path.split("?")[0]}?mode=${mode}`;
}

export function narrowed(servers: Access["servers"], filter: Filter): Access["servers"] {
  if (filter === "") return servers;
  return servers.filter(({ reason }) => (reason === "allowed") === (filter === "shown"));
}
