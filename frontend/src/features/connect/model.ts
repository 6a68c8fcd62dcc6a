import type { IssuedKey, RequestView } from "@/api/schema.gen";

export type ClientName = "cursor" | "claude" | "vscode" | "remote" | "other";

export const CLIENTS: ClientName[] = ["cursor", "claude", "vscode", "remote", "other"];

/** Where each client looks for what it is to paste; the others take a command or fields. */
export const FILES: Partial<Record<ClientName, string>> = {
  cursor: "~/.cursor/mcp.json",
  vscode: ".vscode/mcp.json",
};

const NAME = "mcphub";

/** The address of all servers, or of one.
 *
 * @param url of the hub, without a path.
 * @param server its slug; "" for all.
 */
export function addressOf(url: string, server: string): string {
  return server === "" ? `${url}/mcp` : `${url}/mcp/${encodeURIComponent(server)}`;
}

/** What to paste for a client, with the key in it.
 *
 * @param url of the hub, without a path.
 * @param server the slug of the only one it is for; "" for all.
 */
export function snippet(to: ClientName, url: string, key: string, server = ""): string {
  const address = addressOf(url, server);
  const name = server || NAME;
  const authorization = `Bearer ${key}`;
  switch (to) {
    case "cursor":
      return json({ mcpServers: { [name]: { url: address, headers: { Authorization: authorization } } } });
    case "claude":
      return `claude mcp add --transport http ${name} ${address} --header "Authorization: ${authorization}"`;
    case "vscode":
      return json({
        servers: { [name]: { type: "http", url: address, headers: { Authorization: authorization } } },
      });
    case "remote":
      // Windows takes no blanks in arguments, so the value of the header comes from the environment.
      return json({
        mcpServers: {
          [name]: {
            command: "npx",
            args: [
              "-y",
              "mcp-remote",
              address,
              ...(needsAllowHttp(url) ? ["--allow-http"] : []),
              "--header",
              "Authorization:${MCPHUB_AUTH}",
            ],
            env: { MCPHUB_AUTH: authorization },
          },
        },
      });
    case "other":
      return `Authorization: ${authorization}`;
  }
}

/** mcp-remote refuses plain http to another machine unless it is told. */
function needsAllowHttp(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === "http:" && !["localhost", "127.0.0.1", "[::1]"].includes(hostname);
}

/** The address with the key in it, for clients that cannot send headers; null where the hub takes none of those. */
export function keyInUrl(issued: IssuedKey, server = ""): string | null {
  const entry = issued.mcpJsonKeyInUrl as { mcpServers?: Record<string, { url?: string }> } | undefined;
  const address = entry?.mcpServers?.[NAME]?.url;
  if (address === undefined) return null;
  return server === "" ? address : address.replace(/\/mcp(?=\?|$)/, `/mcp/${encodeURIComponent(server)}`);
}

/** What opens Cursor with one server's address filled in; for all of them the hub gives it with the key. */
export function deepLink(url: string, key: string, server: string): string {
  const config = { url: addressOf(url, server), headers: { Authorization: `Bearer ${key}` } };
  const parameters = new URLSearchParams({ name: server, config: btoa(JSON.stringify(config)) });
  return `cursor://anysphere.cursor-deeplink/mcp/install?${parameters}`;
}

/** A key as it may stand on a screen that others see. */
export function masked(key: string): string {
  return `${key.slice(0, 11)}${"•".repeat(12)}${key.slice(-4)}`;
}

export interface FirstCall {
  client: string;
  protocol: string;
  /** How many tools it was shown; null until it asked for them. */
  tools: number | null;
  at: string;
}

const MOST_CALLS = 50;

/** The calls with one that has begun or ended, newest first; of many, the newest. */
export function withCall(calls: RequestView[], call: RequestView): RequestView[] {
  return [call, ...calls.filter(({ id }) => id !== call.id)]
    .sort((one, other) => (one.id < other.id ? 1 : -1))
    .slice(0, MOST_CALLS);
}

/** Who called first of these, newest first as the hub gives them; null for nobody. */
export function firstCall(calls: RequestView[]): FirstCall | null {
  const first = calls.at(-1);
  if (first === undefined) return null;
  const same = calls.filter(({ clientName }) => clientName === first.clientName);
  const listed = same.find(({ shown }) => shown !== null);
  return {
    client: [first.clientName, first.clientVersion].filter(Boolean).join(" "),
    protocol: first.era ?? "",
    tools: listed?.shown ?? null,
    at: first.startedAt,
  };
}

const json = (value: unknown) => JSON.stringify(value, null, 2);
