import { expect, test } from "vitest";
import { check, optionOf } from "./check";
import { asCurl, asJsonRpc, parsedArguments, typedNumber, withMember, withoutSecrets } from "./model";
import { resultOf } from "./result";
import { placeOf, type Schema, startOf } from "./schema";

const ROOT: Schema = {
  type: "object",
  required: ["jql", "where", "limit"],
  additionalProperties: false,
  properties: {
    jql: { type: "string", minLength: 2 },
    limit: { anyOf: [{ type: "integer", minimum: 1, maximum: 50 }, { type: "null" }], title: "Limit" },
    where: { $ref: "#/$defs/Place" },
    tags: { type: "array", items: { $ref: "#/$defs/Tag" } },
    target: {
      oneOf: [
        {
          type: "object",
          required: ["user"],
          properties: { kind: { const: "user" }, user: { type: "string" } },
        },
        {
          type: "object",
          required: ["team"],
          properties: { kind: { const: "team" }, team: { type: "string" } },
        },
      ],
    },
    note: { type: ["string", "null"] },
    api_key: { type: "string" },
    code: { type: "string", format: "password" },
  },
  $defs: {
    Place: {
      allOf: [
        { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
        { properties: { zip: { type: "string", default: "0000" } }, required: ["zip"] },
      ],
    },
    Tag: { type: "string", enum: ["red", "green"] },
    Node: { type: "object", properties: { next: { $ref: "#/$defs/Node" } } },
  },
};
const property = (name: string) => placeOf((ROOT.properties as Schema)[name], ROOT, name);

test("each way of saying it becomes one shape", () => {
  expect(property("jql").shape).toEqual({ kind: "text", secret: false, long: false });
  expect(property("limit")).toMatchObject({ nullable: true, shape: { kind: "number", integer: true } });
  expect(property("limit").schema.title).toBe("Limit");
  expect(property("note")).toMatchObject({ nullable: true, shape: { kind: "text" } });
  expect(property("where").shape).toMatchObject({
    kind: "object",
    properties: [
      { name: "city", required: true },
      { name: "zip", required: true },
    ],
  });
  expect(property("tags").shape).toMatchObject({ kind: "list" });
  expect(placeOf({ $ref: "#/$defs/Tag" }, ROOT).shape).toEqual({
    kind: "choice",
    values: ["red", "green"],
    names: ["red", "green"],
  });
  expect(property("target").shape).toMatchObject({
    kind: "oneOf",
    options: [{ name: "kind: user" }, { name: "kind: team" }],
  });
  expect(placeOf({ enum: ["a", null] }, ROOT)).toMatchObject({ nullable: true, shape: { values: ["a"] } });
  expect(placeOf({ type: ["string", "integer"] }, ROOT).shape).toMatchObject({ kind: "oneOf" });
  expect(placeOf({ anyOf: [{ const: 1, title: "low" }, { const: 2 }] }, ROOT).shape).toEqual({
    kind: "choice",
    values: [1, 2],
    names: ["low", "2"],
  });
  expect(placeOf({ type: "object" }, ROOT).shape).toEqual({ kind: "json" });
  expect(placeOf({ $ref: "http://elsewhere/schema" }, ROOT).shape).toEqual({ kind: "json" });
  expect(placeOf({ $ref: "#/$defs/None" }, ROOT).shape).toEqual({ kind: "json" });
});

test("a schema that is part of itself comes to an end", () => {
  const loop = { $defs: { A: { $ref: "#/$defs/B" }, B: { $ref: "#/$defs/A" } }, $ref: "#/$defs/A" };
  expect(placeOf(loop, loop).shape).toEqual({ kind: "json" });
  expect(startOf({ $ref: "#/$defs/Node" }, ROOT)).toEqual({});
  const unions = {
    $defs: {
      A: { anyOf: [{ $ref: "#/$defs/A" }] },
      B: { anyOf: [{ $ref: "#/$defs/B" }, { $ref: "#/$defs/B" }] },
    },
  };
  expect(placeOf({ $ref: "#/$defs/A" }, unions).shape).toEqual({ kind: "json" });
  expect(check(1, { $ref: "#/$defs/B" }, unions)).toEqual([]);
});

test("a form begins with what is required and known", () => {
  expect(startOf(ROOT, ROOT)).toEqual({ where: { zip: "0000" } });
});

test("what does not fit is said with its place", () => {
  const wrong = { jql: "x", limit: 99, where: { city: 3, zip: "1" }, tags: ["red", "blue"], more: 1 };
  expect(check(wrong, ROOT, ROOT).map(({ path, code }) => `${path} ${code}`)).toEqual([
    "/jql length",
    "/limit range",
    "/where/city type",
    "/tags/1 choice",
    "/more unknown",
  ]);
  expect(check({ where: { city: "a" } }, ROOT, ROOT).map(({ path, code }) => `${path} ${code}`)).toEqual([
    "/jql required",
    "/limit required",
    "/where/zip required",
  ]);
  expect(check({ jql: "ab", limit: null, where: { city: "a", zip: "1" } }, ROOT, ROOT)).toEqual([]);
});

test("a value belongs to the member of a union it fits", () => {
  const options = (property("target").shape as { options: { schema: Schema }[] }).options;
  expect(optionOf({ team: "core" }, options, ROOT)).toBe(1);
  expect(optionOf(undefined, options, ROOT)).toBe(0);
  expect(check({ target: { team: 1 } }, ROOT, ROOT).map(({ path }) => path)).toContain("/target/team");
});

test("secrets are neither kept nor copied", () => {
  const typed = { jql: "ab", api_key: "K1", code: "K2", where: { password: "K3" }, limit: 2 };
  expect(withoutSecrets(typed, ROOT)).toEqual({ jql: "ab", where: {}, limit: 2 });
  const call = { tool: "find", arguments: typed, root: ROOT };
  for (const text of [asJsonRpc(call), asCurl("http://hub/mcp/wiki", call)]) {
    expect(text).not.toMatch(/K[123]/);
    expect(text).toContain("<api_key>");
  }
});

test("a quotation mark stays inside of the shell's word", () => {
  const text = asCurl("http://hub/mcp/wiki", { tool: "find", arguments: { q: "it's" }, root: {} });
  expect(text).toContain(`"q":"it'\\''s"`);
});

test("typed numbers and members", () => {
  expect([typedNumber("1.0"), typedNumber(""), typedNumber("1e3"), typedNumber("1-")]).toEqual([
    1,
    undefined,
    1000,
    "1-",
  ]);
  expect(withMember({ a: 1, b: 2 }, "a", 3)).toEqual({ a: 3, b: 2 });
  expect(withMember({ a: 1, b: 2 }, "a", undefined)).toEqual({ b: 2 });
  expect([parsedArguments("[1]"), parsedArguments("{"), parsedArguments('{"a":1}')]).toEqual([
    null,
    null,
    { a: 1 },
  ]);
});

test("an answer is shown by the kind of each piece", () => {
  const result = resultOf({
    isError: true,
    structuredContent: { n: 1 },
    content: [
      { type: "text", text: '{"a":1}' },
      { type: "text", text: "plain" },
      { type: "image", mimeType: "image/png", data: "aGk=" },
      { type: "image", mimeType: "text/html", data: "aGk=" },
      { type: "resource_link", uri: "https://x.example/a", name: "a" },
      { type: "resource_link", uri: "javascript:alert(1)", name: "b" },
      { type: "resource", resource: { uri: "file:///a", text: "in it" } },
      { type: "video" },
    ],
  });
  expect(result.failed).toBe(true);
  expect(result.structured).toEqual({ n: 1 });
  expect(result.blocks.map(({ kind }) => kind)).toEqual([
    "text",
    "text",
    "image",
    "file",
    "link",
    "link",
    "resource",
    "other",
  ]);
  expect(result.blocks[0]).toMatchObject({ json: { a: 1 } });
  expect(result.blocks[1]).toMatchObject({ json: undefined });
  expect(result.blocks[2]).toMatchObject({ source: "data:image/png;base64,aGk=", size: 2 });
  expect(result.blocks[4]).toMatchObject({ href: "https://x.example/a" });
  expect(result.blocks[5]).toMatchObject({ href: null });
});
