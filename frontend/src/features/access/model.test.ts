import { expect, test } from "vitest";
import { addressOf, narrowed, safeAddress } from "./model";

test("a pasted address loses its key and its host, and keeps what it asks for", () => {
  expect(safeAddress("https://hub.example/mcp?key=mcphub_abc123&mode=tools")).toBe("/mcp?mode=tools");
  expect(safeAddress(" /mcp/jira?x=1 ")).toBe("/mcp/jira");
  expect(safeAddress("/mcp/mcphub_abc123")).toBe("/mcp/");
});

test("a mode goes into the address, and none leaves it as it is", () => {
  expect(addressOf("/mcp?mode=tools", "servers")).toBe("/mcp?mode=servers");
  expect(addressOf("/mcp?mode=tools", "auto")).toBe("/mcp?mode=tools");
});

test("servers are narrowed to those that are there or those that are not", () => {
  const servers = [
    { server: "a", reason: "allowed", missing: [], tools: [] },
    { server: "b", reason: "server_disabled", missing: [], tools: [] },
  ];
  expect(narrowed(servers, "shown").map(({ server }) => server)).toEqual(["a"]);
  expect(narrowed(servers, "hidden").map(({ server }) => server)).toEqual(["b"]);
  expect(narrowed(servers, "")).toBe(servers);
});
