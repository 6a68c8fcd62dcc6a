import { expect, test } from "vitest";
import type { IssuedKey, RequestView } from "@/api/schema.gen";
import { addressOf, deepLink, firstCall, keyInUrl, masked, snippet, withCall } from "./model";

const URL = "https://hub.example";
const KEY = "mcphub_abcd1234efgh";

test("every client is given the address and the header that holds the key", () => {
  expect(JSON.parse(snippet("cursor", URL, KEY)).mcpServers.mcphub).toEqual({
    url: "https://hub.example/mcp",
    headers: { Authorization: `Bearer ${KEY}` },
  });
  expect(JSON.parse(snippet("vscode", URL, KEY)).servers.mcphub.type).toBe("http");
  expect(snippet("claude", URL, KEY)).toBe(
    `claude mcp add --transport http mcphub https://hub.example/mcp --header "Authorization: Bearer ${KEY}"`,
  );
});

test("a single server has its own address and goes by its own name in every form", () => {
  expect(addressOf(URL, "")).toBe("https://hub.example/mcp");
  expect(JSON.parse(snippet("cursor", URL, KEY, "git")).mcpServers).toEqual({
    git: { url: "https://hub.example/mcp/git", headers: { Authorization: `Bearer ${KEY}` } },
  });
  expect(snippet("claude", URL, KEY, "git")).toContain("http git https://hub.example/mcp/git --header");
  const config = new URLSearchParams(deepLink(URL, KEY, "git").split("?")[1]).get("config") ?? "";
  expect(JSON.parse(atob(config)).url).toBe("https://hub.example/mcp/git");
  const issued = {
    mcpJsonKeyInUrl: { mcpServers: { mcphub: { url: "https://hub.example/mcp?key=k" } } },
  } as unknown as IssuedKey;
  expect(keyInUrl(issued)).toBe("https://hub.example/mcp?key=k");
  expect(keyInUrl(issued, "git")).toBe("https://hub.example/mcp/git?key=k");
});

test("mcp-remote is told of plain http only where it would refuse it", () => {
  const args = (url: string) => JSON.parse(snippet("remote", url, KEY)).mcpServers.mcphub.args as string[];
  expect(args(URL)).not.toContain("--allow-http");
  expect(args("http://127.0.0.1:3000")).not.toContain("--allow-http");
  expect(args("http://hub.lan:3000")).toContain("--allow-http");
});

test("a masked key shows only its ends", () => {
  expect(masked("mcphub_abcdXXXXXXXXXXXXXXXXXXXXXXXXwxyz")).toBe("mcphub_abcd••••••••••••wxyz");
});

const call = (over: Partial<RequestView>) =>
  ({
    clientName: "Cursor",
    clientVersion: "2.1",
    era: "2025-11-25",
    shown: null,
    startedAt: "t",
    ...over,
  }) as RequestView;

test("the first call is the oldest, and tells how many tools its client was shown", () => {
  expect(firstCall([])).toBeNull();
  expect(firstCall([call({})])).toEqual({
    client: "Cursor 2.1",
    protocol: "2025-11-25",
    tools: null,
    at: "t",
  });
  const calls = [call({ clientName: "other", shown: 3 }), call({ shown: 48 }), call({})];
  expect(firstCall(calls)?.tools).toBe(48);
});

test("a call that ended takes the place of itself while it ran", () => {
  const began = call({ id: "2", status: "Pending" });
  const calls = withCall(withCall([call({ id: "1" })], began), call({ id: "3" }));

  const after = withCall(calls, call({ id: "2", status: "Completed", shown: 4 }));

  expect(after.map(({ id }) => id)).toEqual(["3", "2", "1"]);
  expect(after[1]?.shown).toBe(4);
});
