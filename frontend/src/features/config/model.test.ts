import { expect, test } from "vitest";
import { offersIn, withOffers } from "./import";
import { Malformed, parseJson, placeOf, printDocument } from "./json-tree";
import { merged } from "./merge";
import { differences, findingsOf, outlineOf, shownDifferences, together, variablesIn } from "./model";
import { checkSchema, nearest, type Schema, schemaAt, valuesOf } from "./schema";

const TEXT = '{"mcpServers":{"12":{"url":"http://a","n":1.0},"a":{}},"x":[1,{}]}';

test("a document keeps its order and its numbers as they were written", () => {
  expect(printDocument(parseJson(TEXT))).toBe(`{
  "mcpServers": {
    "12": {
      "url": "http://a",
      "n": 1.0
    },
    "a": {}
  },
  "x": [
    1,
    {}
  ]
}
`);
});

test.each([
  ['{"a" 1}', 5, "expected_colon"],
  ['{"a":1,}', 7, "expected_key"],
  ['{"a":1 "b":2}', 7, "expected_comma"],
  ["[1,]", 3, "expected_value"],
  ["{} x", 3, "expected_end"],
  ["", 0, "expected_value"],
  ["[".repeat(70), 65, "deep"],
])("%j breaks at %i", (text, at, fault) => {
  try {
    parseJson(text);
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(Malformed);
    expect(error).toMatchObject({ at, fault });
  }
});

test("a place is its key, or the nearest that is there", () => {
  const root = parseJson(TEXT);
  const marked = (pointer: string) => {
    const { from, to } = placeOf(root, pointer);
    return TEXT.slice(from, to);
  };
  expect(marked("/mcpServers/12/url")).toBe('"url"');
  expect(marked("/mcpServers/12/none/deeper")).toBe('"12"');
  expect(marked("/x/1")).toBe("{}");
  expect(marked("")).toBe("{");
});

const SCHEMA: Schema = {
  type: "object",
  required: ["mcpServers"],
  properties: {
    mcpServers: {
      type: "object",
      additionalProperties: {
        type: "object",
        properties: {
          type: { enum: ["stdio", "sse"] },
          timeout: { type: "number", minimum: 0 },
          audience: { anyOf: [{ const: "everyone" }, { type: "object", properties: { users: {} } }] },
        },
      },
    },
  },
};

const found = (text: string) =>
  checkSchema(parseJson(text), SCHEMA).map(({ code, pointer, wanted }) => [code, pointer, wanted]);

test("what does not fit the schema is said where it stands, with what would", () => {
  expect(found('{"mcpServers":{"a":{"timout":1,"type":"ssh","timeout":"5","own":1}}}')).toEqual([
    ["did_you_mean", "/mcpServers/a/timout", "timeout"],
    ["not_one_of", "/mcpServers/a/type", '"stdio", "sse"'],
    ["wrong_type", "/mcpServers/a/timeout", "number"],
    ["unknown_key", "/mcpServers/a/own", ""],
  ]);
  expect(found('{"mcpServers":{"a":{"timeout":-1,"timeout":2,"audience":"all"}}}')).toEqual([
    ["bad_form", "/mcpServers/a/timeout", "≥ 0"],
    ["duplicate_key", "/mcpServers/a/timeout", ""],
    ["wrong_type", "/mcpServers/a/audience", '"everyone", object'],
  ]);
  expect(found("{}")).toEqual([["missing_key", "", "mcpServers"]]);
  expect(found('{"mcpServers":{"a":{"audience":{"users":["x"]}}}}')).toEqual([]);
});

test("a schema is found by path, through alternatives, and says what may stand there", () => {
  expect(schemaAt(SCHEMA, ["mcpServers", "any", "audience", "users"])).toEqual({});
  expect(valuesOf(schemaAt(SCHEMA, ["mcpServers", "any", "type"]))).toEqual(["stdio", "sse"]);
  expect(schemaAt(SCHEMA, ["mcpServers", "any", "own", "x"])).toBeUndefined();
});

test("a key that is nearly one is taken for it, another word is not", () => {
  expect(nearest("haeders", ["headers", "url"])).toBe("headers");
  expect(nearest("Headers", ["headers"])).toBe("headers");
  expect(nearest("envy", ["env"])).toBe("env");
  expect(nearest("notes", ["headers", "url"])).toBeUndefined();
});

const three = (base: string, mine: string, theirs: string) =>
  merged(parseJson(base), parseJson(mine), parseJson(theirs));

test("what only one side changed comes from it", () => {
  const { conflicts, text } = three(
    '{"a":{"x":1,"y":1},"b":1}',
    '{"a":{"x":2,"y":1},"c":3}',
    '{"a":{"x":1,"y":9},"b":1,"d":4}',
  );

  expect(conflicts).toEqual([]);
  expect(JSON.parse(text({}))).toEqual({ a: { x: 2, y: 9 }, c: 3, d: 4 });
});

test("what both changed is chosen place by place", () => {
  const { conflicts, text } = three('{"a":1,"b":1,"c":1}', '{"a":2,"b":2,"c":1}', '{"a":3,"c":1}');

  expect(conflicts).toEqual([
    { pointer: "/a", base: "1", mine: "2", theirs: "3" },
    { pointer: "/b", base: "1", mine: "2", theirs: null },
  ]);
  expect(JSON.parse(text({}))).toEqual({ a: 2, b: 2, c: 1 });
  expect(JSON.parse(text({ "/a": "theirs", "/b": "theirs" }))).toEqual({ a: 3, c: 1 });
});

test("the fields that differ are named with both values, secret ones without", () => {
  const before = parseJson('{"mcpServers":{"a":{"type":"sse","env":{"K":"1"}}}}');
  const after = parseJson('{"mcpServers":{"a":{"type":"http","env":{"K":"2"},"n":[1, 2]}}}');

  expect(shownDifferences(before, after, "a", new Set(["/mcpServers/a/env/K"]))).toEqual([
    { field: "/type", before: '"sse"', after: '"http"' },
    { field: "/env/K", before: "••••", after: "••••" },
    { field: "/n", before: null, after: "[ 1, 2 ]" },
  ]);
  expect(shownDifferences(parseJson("{}"), after, "a", new Set(["/mcpServers/a/env/K"]))).toEqual([
    { field: "", before: null, after: "••••" },
  ]);
  expect(differences(parseJson('{"a":1,"b":2}'), parseJson('{"b":2,"a":1}'))).toHaveLength(1);
});

test("the outline has the servers in order, what became of them, and what is wrong with them", () => {
  const draft = '{"mcpServers":{"b":{"url":"y"},"new":{},"a":{}}}';
  const hub = findingsOf(
    parseJson(draft),
    [{ pointer: "/mcpServers/new", code: "missing_target", detail: "" }],
    [],
    draft,
  );

  const rows = outlineOf(
    parseJson('{"mcpServers":{"a":{},"b":{"url":"x"},"gone":{}}}'),
    parseJson(draft),
    hub,
    [],
  );

  expect(rows.map(({ name, mark, errors }) => [name, mark, errors])).toEqual([
    ["b", "changed", 0],
    ["new", "added", 1],
    ["a", "same", 0],
    ["gone", "removed", 0],
  ]);
});

test("of one place the hub's word counts, and the page's fix stays", () => {
  const at = { from: 3, to: 4 };
  const local = {
    severity: "warning",
    code: "did_you_mean",
    pointer: "/a",
    detail: "",
    meant: "b",
    ...at,
  } as const;
  const hub = {
    severity: "warning",
    code: "did_you_mean",
    pointer: "/a",
    detail: "of the hub",
    ...at,
  } as const;

  expect(together([local], [hub])).toEqual([{ ...hub, meant: "b" }]);
  expect(together([local], [])).toEqual([local]);
});

test("the hub's place in a text that is no JSON is a line and a column", () => {
  const [only] = findingsOf(
    null,
    [{ pointer: "", code: "malformed_json", detail: "", line: 2, column: 3 }],
    [],
    "{\n  x\n}",
  );
  expect(only).toMatchObject({ from: 4, to: 5 });
});

test("variables in use are known by name", () => {
  expect(variablesIn("${USER_B} ${HUB_A} ${USER_B} ${other} $${USER_C")).toEqual(["HUB_A", "USER_B"]);
});

test("an mcp.json is read, its literal secrets as variables", () => {
  const pasted = offersIn(
    JSON.stringify({
      mcpServers: {
        git: { command: "npx", args: ["-y", "${input:repo}"], env: { GIT_TOKEN: "ghp_x", LANG: "ko" } },
        web: { url: "https://h.example/mcp", headers: { Authorization: "Bearer abc" } },
      },
    }),
  );

  expect(pasted).toEqual({
    kind: "mcp.json",
    offers: [
      {
        name: "git",
        way: "stdio",
        replaced: ["env.GIT_TOKEN"],
        config: {
          command: "npx",
          args: ["-y", "${USER_REPO}"],
          env: { GIT_TOKEN: "${USER_GIT_TOKEN}", LANG: "ko" },
        },
      },
      {
        name: "web",
        way: "url",
        replaced: ["headers.Authorization"],
        config: { url: "https://h.example/mcp", headers: { Authorization: "Bearer ${USER_WEB_TOKEN}" } },
      },
    ],
  });
  expect(offersIn("{").kind).toBe("nothing");
  expect(offersIn('{"name": "x"}').kind).toBe("nothing");
});

test("a server.json of the registry offers each way to run it", () => {
  const pasted = offersIn(
    JSON.stringify({
      name: "io.example/weather",
      description: "Forecasts",
      remotes: [
        {
          type: "sse",
          url: "https://h.example/sse",
          headers: [{ name: "X-Key", value: "Key {key}", isSecret: true, isRequired: true }],
        },
      ],
      packages: [
        {
          registryType: "npm",
          identifier: "@x/weather",
          version: "1.2.0",
          environmentVariables: [
            { name: "API_KEY", isSecret: true, isRequired: true, description: "From the portal" },
            { name: "UNIT", default: "c" },
          ],
          packageArguments: [{ type: "named", name: "--city", value: "seoul" }],
        },
        { registryType: "mcpb", identifier: "x" },
      ],
    }),
  );

  expect(pasted).toMatchObject({ kind: "server.json" });
  expect(
    pasted.kind === "nothing" ? [] : pasted.offers.map(({ name, way, config }) => [name, way, config]),
  ).toEqual([
    [
      "weather",
      "sse",
      {
        type: "sse",
        url: "https://h.example/sse",
        headers: { "X-Key": "Key ${USER_WEATHER_X_KEY}" },
        description: "Forecasts",
        mcphub: { slots: { WEATHER_X_KEY: {} } },
      },
    ],
    [
      "weather",
      "npm",
      {
        command: "npx",
        args: ["-y", "@x/weather@1.2.0", "--city", "seoul"],
        env: { API_KEY: "${USER_API_KEY}", UNIT: "c" },
        description: "Forecasts",
        mcphub: { slots: { API_KEY: { description: "From the portal" } } },
      },
    ],
  ]);
});

test("what is taken over stands in the document, in place of what had its name", () => {
  const offer = { name: "a", way: "url", config: { url: "new" }, replaced: [] };

  const text = withOffers(parseJson('{"first":1,"mcpServers":{"a":{"url":"old"},"b":{}},"last":1}'), [offer]);

  expect(text).toBe(printDocument(parseJson('{"first":1,"mcpServers":{"a":{"url":"new"},"b":{}},"last":1}')));
  expect(JSON.parse(withOffers(parseJson("{}"), [offer]))).toEqual({ mcpServers: { a: { url: "new" } } });
});
