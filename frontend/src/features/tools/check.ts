import { isObject, placeOf, propertiesOf, resolved, type Schema } from "./schema";

export type IssueCode =
  | "required"
  | "type"
  | "choice"
  | "range"
  | "length"
  | "pattern"
  | "unknown"
  | "option";

/** What is wrong with a value, and where. The server has the last word; this spares a round trip. */
export interface Issue {
  /** JSON pointer; "" is the whole. */
  path: string;
  code: IssueCode;
  /** What was wanted. */
  want: string;
}

export const pointer = (path: string, key: string | number) =>
  `${path}/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`;

const MOST_UNIONS = 8; // one inside of the other at the same place
const MOST_LOOKS = 20_000; // at parts of a value; unions of unions could go on for ever

/** The commonest of what a schema can ask for: types, required members, choices, ranges, lengths, patterns. */
export function check(
  value: unknown,
  schema: unknown,
  root: Schema,
  path = "",
  looks = { left: MOST_LOOKS },
  unions = 0,
): Issue[] {
  looks.left -= 1;
  if (looks.left < 0 || unions > MOST_UNIONS) return [];
  const { shape, schema: bare, nullable } = placeOf(schema, root);
  if (value === null && nullable) return [];
  const deeper = (part: unknown, of: unknown, key: string | number) =>
    check(part, of, root, pointer(path, key), looks);
  const wrong = (code: IssueCode, want: string): Issue[] => [{ path, code, want }];

  switch (shape.kind) {
    case "choice":
      return shape.values.some((each) => same(each, value)) ? [] : wrong("choice", shape.names.join(", "));
    case "text":
      return typeof value === "string" ? ofText(value, bare, wrong) : wrong("type", "string");
    case "number":
      if (typeof value !== "number" || (shape.integer && !Number.isInteger(value))) {
        return wrong("type", shape.integer ? "integer" : "number");
      }
      return inRange(value, bare) ? [] : wrong("range", rangeOf(bare));
    case "boolean":
      return typeof value === "boolean" ? [] : wrong("type", "boolean");
    case "list": {
      if (!Array.isArray(value)) return wrong("type", "array");
      const { minItems = 0, maxItems = Number.POSITIVE_INFINITY } = bare as Record<string, number>;
      const size =
        value.length < minItems || value.length > maxItems
          ? wrong("length", lengths(minItems, maxItems))
          : [];
      return [...size, ...value.flatMap((part, index) => deeper(part, shape.item, index))];
    }
    case "oneOf": {
      const found = shape.options.map((option) => check(value, option.schema, root, path, looks, unions + 1));
      if (found.some((issues) => issues.length === 0)) return [];
      // Issues inside of the option that is meant help; that none of several scalars fits says it all.
      const inside = found.filter((issues) => issues.every((issue) => issue.path !== path));
      const [meant] = inside.sort((one, other) => weight(one) - weight(other));
      return meant ?? wrong("option", shape.options.map(({ name }) => name).join(", "));
    }
    case "object":
      return isObject(value) ? ofObject(value, bare, path, deeper) : wrong("type", "object");
    case "json":
      if (bare.type === "object" && !isObject(value)) return wrong("type", "object");
      if (bare.type === "array" && !Array.isArray(value)) return wrong("type", "array");
      return isObject(value) && bare.type === "object" ? ofObject(value, bare, path, deeper) : [];
  }
}

/** How far a value is from a member of a union; what is missing says more than what is wrong. */
const weight = (issues: Issue[]) => issues.reduce((sum, { code }) => sum + (code === "required" ? 3 : 1), 0);

type Deeper = (part: unknown, of: unknown, key: string) => Issue[];

function ofObject(value: Schema, schema: Schema, path: string, deeper: Deeper): Issue[] {
  const properties = propertiesOf(schema);
  const known = new Set(properties.map(({ name }) => name));
  const asked = Array.isArray(schema.required) ? schema.required.map(String) : [];
  const missing = asked
    .filter((name) => value[name] === undefined)
    .map((name): Issue => ({ path: pointer(path, name), code: "required", want: name }));
  const inside = properties.flatMap(({ name, schema: each }) =>
    value[name] === undefined ? [] : deeper(value[name], each, name),
  );
  const strangers =
    schema.additionalProperties === false
      ? Object.keys(value)
          .filter((name) => !known.has(name))
          .map((name): Issue => ({ path: pointer(path, name), code: "unknown", want: name }))
      : [];
  return [...missing, ...inside, ...strangers];
}

function ofText(value: string, schema: Schema, wrong: (code: IssueCode, want: string) => Issue[]): Issue[] {
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY } = schema as Record<string, number>;
  const length = [...value].length;
  if (length < minLength || length > maxLength) return wrong("length", lengths(minLength, maxLength));
  if (typeof schema.pattern !== "string") return [];
  try {
    return new RegExp(schema.pattern, "u").test(value) ? [] : wrong("pattern", schema.pattern);
  } catch {
    return []; // a pattern this browser does not know is left to the server
  }
}

function inRange(value: number, schema: Schema): boolean {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema as Record<
    string,
    number | undefined
  >;
  return !(
    (minimum !== undefined && value < minimum) ||
    (maximum !== undefined && value > maximum) ||
    (typeof exclusiveMinimum === "number" && value <= exclusiveMinimum) ||
    (typeof exclusiveMaximum === "number" && value >= exclusiveMaximum)
  );
}

function rangeOf(schema: Schema): string {
  const low =
    schema.minimum !== undefined
      ? `≥ ${schema.minimum}`
      : schema.exclusiveMinimum !== undefined
        ? `> ${schema.exclusiveMinimum}`
        : "";
  const high =
    schema.maximum !== undefined
      ? `≤ ${schema.maximum}`
      : schema.exclusiveMaximum !== undefined
        ? `< ${schema.exclusiveMaximum}`
        : "";
  return [low, high].filter(Boolean).join(", ");
}

const lengths = (least: number, most: number) =>
  most === Number.POSITIVE_INFINITY ? `≥ ${least}` : least === 0 ? `≤ ${most}` : `${least}–${most}`;

const same = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);

/** Which member of a union a value is of: the first it fits, else the first of its type, else the first. */
export function optionOf(value: unknown, options: { schema: Schema }[], root: Schema): number {
  const fits = options.findIndex(({ schema }) => check(value, schema, root).length === 0);
  if (fits >= 0) return fits;
  const type = Array.isArray(value) ? "array" : typeof value;
  const near = options.findIndex(({ schema }) => resolved(schema, root).type === type);
  return Math.max(near, 0);
}
