import { type Json, type Path, pointerOf } from "./json-tree";

/** What of JSON Schema the hub's schema uses. */
export interface Schema {
  type?: "object" | "array" | "string" | "number" | "integer" | "boolean";
  description?: string;
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  propertyNames?: Schema;
  items?: Schema;
  required?: string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  default?: unknown;
  examples?: unknown[];
  pattern?: string;
  minimum?: number;
  minLength?: number;
  maxLength?: number;
}

export type Code =
  | "unknown_key"
  | "did_you_mean"
  | "wrong_type"
  | "not_one_of"
  | "bad_form"
  | "missing_key"
  | "duplicate_key";

export interface SchemaFinding {
  code: Code;
  severity: "error" | "warning" | "info";
  pointer: string;
  from: number;
  to: number;
  /** What fits: the key that was meant, the values, the type. */
  wanted: string;
}

/** The schema for a place; of alternatives those that know of it. */
export function schemaAt(schema: Schema | undefined, path: Path): Schema | undefined {
  let here = schema;
  for (const part of path) {
    const found: Schema | undefined = alternatives(here)
      .map((one) => below(one, part))
      .find((one) => one !== undefined);
    if (!found) return undefined;
    here = found;
  }
  return here;
}

const alternatives = (schema: Schema | undefined): Schema[] =>
  schema ? [schema, ...(schema.anyOf ?? [])] : [];

function below(schema: Schema, part: string | number): Schema | undefined {
  if (typeof part === "number") return schema.items;
  const known = schema.properties?.[part];
  if (known) return known;
  return typeof schema.additionalProperties === "object" ? schema.additionalProperties : undefined;
}

/** Keys that may stand in an object there, with their schemas. */
export function keysOf(schema: Schema | undefined): [string, Schema][] {
  return alternatives(schema).flatMap((one) => Object.entries(one.properties ?? {}));
}

/** Values that are worth offering there. */
export function valuesOf(schema: Schema | undefined): unknown[] {
  const found = alternatives(schema).flatMap((one) => [
    ...(one.enum ?? []),
    ...(one.const === undefined ? [] : [one.const]),
    ...(one.examples ?? []),
    ...(one.type === "boolean" ? [true, false] : []),
    ...(one.default === undefined ? [] : [one.default]),
  ]);
  return [...new Set(found)];
}

/** Everything about the document that does not fit the schema. The hub decides; this only says so while one types. */
export function checkSchema(root: Json, schema: Schema): SchemaFinding[] {
  const found: SchemaFinding[] = [];
  const visit = (node: Json, here: Schema, path: Path) => {
    const say = (
      code: Code,
      severity: SchemaFinding["severity"],
      at: { from: number; to: number },
      wanted: string,
    ) => found.push({ code, severity, pointer: pointerOf(path), wanted, from: at.from, to: at.to });
    if (here.anyOf) {
      const fitting = here.anyOf.filter((one) => typeFits(node, one));
      if (fitting.length === 0) say("wrong_type", "error", node, here.anyOf.map(named).join(", "));
      for (const one of fitting.slice(0, 1)) visit(node, one, path);
      return;
    }
    const wanted = here.enum ?? (here.const === undefined ? undefined : [here.const]);
    if (wanted && !(isScalar(node) && wanted.includes(node.value))) {
      say("not_one_of", "error", node, wanted.map((one) => JSON.stringify(one)).join(", "));
      return;
    }
    if (!typeFits(node, here)) {
      say("wrong_type", "error", node, named(here));
      return;
    }
    if (node.type === "string" && !formFits(String(node.value), here)) {
      say("bad_form", "error", node, here.pattern ?? "");
    }
    if (node.type === "number" && here.minimum !== undefined && Number(node.value) < here.minimum) {
      say("bad_form", "error", node, `≥ ${here.minimum}`);
    }
    if (node.type === "array" && here.items) {
      for (const [index, item] of node.items.entries()) visit(item, here.items, [...path, index]);
    }
    if (node.type !== "object") return;
    const keys = new Set<string>();
    for (const { key, keyFrom, keyTo, value } of node.members) {
      const place = { from: keyFrom, to: keyTo };
      const sayOfKey = (code: Code, severity: SchemaFinding["severity"], wanted: string) =>
        found.push({ code, severity, pointer: pointerOf([...path, key]), wanted, ...place });
      if (keys.has(key)) sayOfKey("duplicate_key", "error", "");
      keys.add(key);
      const inner = below(here, key);
      if (inner) {
        if (here.propertyNames && !here.properties?.[key] && !formFits(key, here.propertyNames)) {
          sayOfKey("bad_form", "error", here.propertyNames.pattern ?? "");
        }
        visit(value, inner, [...path, key]);
      } else if (here.properties) {
        const meant = nearest(key, Object.keys(here.properties));
        if (meant) sayOfKey("did_you_mean", "warning", meant);
        else sayOfKey("unknown_key", here.additionalProperties === false ? "error" : "info", "");
      }
    }
    for (const key of here.required ?? []) {
      if (!keys.has(key)) say("missing_key", "error", { from: node.from, to: node.from + 1 }, key);
    }
  };
  visit(root, schema, []);
  return found;
}

const isScalar = (node: Json) => node.type !== "object" && node.type !== "array";

function typeFits(node: Json, schema: Schema): boolean {
  if (schema.const !== undefined) return isScalar(node) && node.value === schema.const;
  if (schema.type === undefined) return true;
  if (schema.type === "integer") return node.type === "number" && Number.isInteger(node.value);
  return node.type === schema.type;
}

const named = (schema: Schema) =>
  schema.const === undefined ? (schema.type ?? "") : JSON.stringify(schema.const);

function formFits(
  text: string,
  { pattern, minLength = 0, maxLength = Number.POSITIVE_INFINITY }: Schema,
): boolean {
  return (
    text.length >= minLength && text.length <= maxLength && (!pattern || new RegExp(pattern, "u").test(text))
  );
}

/** The word that was probably meant; undefined when none is near. */
export function nearest(word: string, known: string[]): string | undefined {
  const far = Math.max(1, Math.floor(word.length / 4));
  const ranked = known
    .map((each) => ({ each, steps: distance(word.toLowerCase(), each.toLowerCase()) }))
    .filter(({ each, steps }) => steps <= far && each !== word)
    .sort((a, b) => a.steps - b.steps);
  return ranked[0]?.each;
}

/** Letters added, left out, replaced, or two neighbours swapped. */
function distance(one: string, other: string): number {
  let before: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let i = 1; i <= one.length; i++) {
    const row = [i];
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1];
      let least = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]) {
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      }
      row.push(least);
    }
    before = last;
    last = row;
  }
  return last[other.length] ?? 0;
}
