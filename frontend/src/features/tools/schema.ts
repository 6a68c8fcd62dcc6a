/** What a form makes of a tool's JSON schema: a shape for each place, whatever way the schema says it. */

export type Schema = Record<string, unknown>;

export type Shape =
  | { kind: "text"; secret: boolean; long: boolean }
  | { kind: "number"; integer: boolean }
  | { kind: "boolean" }
  | { kind: "choice"; values: unknown[]; names: string[] }
  | { kind: "object"; properties: Property[] }
  | { kind: "list"; item: Schema }
  | { kind: "oneOf"; options: { name: string; schema: Schema }[] }
  | { kind: "json" };

export interface Property {
  name: string;
  schema: Schema;
  required: boolean;
}

export interface Place {
  shape: Shape;
  /** The schema with references followed, and the null taken out. */
  schema: Schema;
  nullable: boolean;
}

const MOST_STEPS = 8; // references that lead to references, unions of one; a schema may lead to itself
const SECRET_NAME =
  /pass(word|wd|phrase)|secret|token|api[-_]?key|credential|authorization|private[-_]?key|cookie/i;

export const isObject = (value: unknown): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const schemas = (value: unknown): Schema[] => (Array.isArray(value) ? value.filter(isObject) : []);

/** The schema with `$ref` into the same document followed and `allOf` put together. */
export function resolved(schema: unknown, root: Schema, steps = 0): Schema {
  if (!isObject(schema) || steps > MOST_STEPS) return {};
  const { $ref: ref, allOf, ...own } = schema;
  const parts = schemas(allOf);
  if (typeof ref === "string") parts.unshift(target(ref, root));
  const base = parts.reduce<Schema>((whole, part) => joined(whole, resolved(part, root, steps + 1)), {});
  return joined(base, own);
}

function target(ref: string, root: Schema): Schema {
  if (!ref.startsWith("#")) return {}; // elsewhere: nothing is fetched
  const parts = ref.slice(1).split("/").filter(Boolean);
  const found = parts.reduce<unknown>(
    (at, part) =>
      isObject(at) ? at[decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~")] : undefined,
    root,
  );
  return isObject(found) ? found : {};
}

/** Both at once; what the second says of itself wins. */
function joined(first: Schema, second: Schema): Schema {
  const whole = { ...first, ...second };
  if (isObject(first.properties) && isObject(second.properties)) {
    whole.properties = { ...first.properties, ...second.properties };
  }
  if (Array.isArray(first.required) && Array.isArray(second.required)) {
    whole.required = [...new Set([...first.required, ...second.required])];
  }
  return whole;
}

/** What stands at a place of the form. */
export function placeOf(schema: unknown, root: Schema, name = ""): Place {
  const whole = resolved(schema, root);
  const { schema: bare, nullable } = withoutNull(whole, root);
  return { shape: shapeOf(bare, root, name), schema: bare, nullable };
}

function withoutNull(schema: Schema, root: Schema): { schema: Schema; nullable: boolean } {
  if (Array.isArray(schema.type) && schema.type.includes("null")) {
    const types = schema.type.filter((type) => type !== "null");
    const rest = { ...schema, type: types.length === 1 ? types[0] : types };
    return { schema: Array.isArray(schema.enum) ? withEnum(rest) : rest, nullable: true };
  }
  const key = Array.isArray(schema.anyOf) ? "anyOf" : "oneOf";
  const members = schemas(schema[key]);
  const others = members.filter((member) => !isNull(resolved(member, root)));
  if (others.length < members.length) {
    const { [key]: _, ...own } = schema;
    const [only] = others;
    const rest =
      others.length === 1
        ? joined(resolved(only, root), own)
        : others.length === 0
          ? own
          : { ...own, [key]: others };
    return { schema: rest, nullable: true };
  }
  if (Array.isArray(schema.enum) && schema.enum.includes(null))
    return { schema: withEnum(schema), nullable: true };
  return { schema, nullable: schema.nullable === true };
}

const isNull = (schema: Schema) => schema.type === "null" || ("const" in schema && schema.const === null);
const withEnum = (schema: Schema): Schema => ({
  ...schema,
  enum: (schema.enum as unknown[]).filter((value) => value !== null),
});

function shapeOf(schema: Schema, root: Schema, name: string, steps = 0): Shape {
  if (steps > MOST_STEPS) return { kind: "json" };
  if (Array.isArray(schema.enum))
    return { kind: "choice", values: schema.enum, names: schema.enum.map(told) };
  if ("const" in schema) return { kind: "choice", values: [schema.const], names: [told(schema.const)] };
  const members = schemas(schema.anyOf ?? schema.oneOf).map((member) => resolved(member, root));
  if (members.length > 0 && members.every((member) => "const" in member)) {
    const names = members.map((member) =>
      typeof member.title === "string" ? member.title : told(member.const),
    );
    return { kind: "choice", values: members.map((member) => member.const), names };
  }
  if (members.length === 1) return shapeOf(joined(members[0] ?? {}, without(schema)), root, name, steps + 1);
  if (members.length > 1) {
    // What the members have in common stands beside them.
    const options = members.map((member, index) => ({
      name: optionName(member, index),
      schema: joined(without(schema), member),
    }));
    return { kind: "oneOf", options };
  }
  if (Array.isArray(schema.type)) {
    if (schema.type.length === 1) return shapeOf({ ...schema, type: schema.type[0] }, root, name);
    const options = schema.type.map((type) => ({ name: String(type), schema: { ...schema, type } }));
    return options.length === 0 ? { kind: "json" } : { kind: "oneOf", options };
  }
  return plainShape(schema, name);
}

function plainShape(schema: Schema, name: string): Shape {
  switch (schema.type) {
    case "string":
      return { kind: "text", secret: isSecret(name, schema), long: isLong(schema) };
    case "number":
    case "integer":
      return { kind: "number", integer: schema.type === "integer" };
    case "boolean":
      return { kind: "boolean" };
    case "array":
      return isObject(schema.items) ? { kind: "list", item: schema.items } : { kind: "json" };
    default: {
      const properties = propertiesOf(schema);
      return properties.length > 0 ? { kind: "object", properties } : { kind: "json" };
    }
  }
}

const without = ({ anyOf: _, oneOf: __, ...rest }: Schema): Schema => rest;

function optionName(schema: Schema, index: number): string {
  if (typeof schema.title === "string") return schema.title;
  const [tag] = Object.entries(isObject(schema.properties) ? schema.properties : {}).flatMap(
    ([key, value]) => (isObject(value) && "const" in value ? [`${key}: ${told(value.const)}`] : []),
  );
  if (tag) return tag;
  return typeof schema.type === "string" ? schema.type : String(index + 1);
}

const told = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));

const isLong = ({ maxLength, format, contentMediaType }: Schema) =>
  format === "textarea" ||
  contentMediaType !== undefined ||
  (typeof maxLength === "number" && maxLength > 300);

/** Is what stands there not to be kept? Said by the schema, or by the name. */
export function isSecret(name: string, schema: Schema): boolean {
  return schema.format === "password" || schema.writeOnly === true || SECRET_NAME.test(name);
}

/** Required ones first, each in the order of the schema. */
export function propertiesOf(schema: Schema): Property[] {
  const required = new Set(Array.isArray(schema.required) ? schema.required : []);
  const all = Object.entries(isObject(schema.properties) ? schema.properties : {}).map(([name, each]) => ({
    name,
    schema: isObject(each) ? each : {},
    required: required.has(name),
  }));
  return [...all.filter(({ required }) => required), ...all.filter(({ required }) => !required)];
}

/** What a place holds before anybody has said anything; undefined where it is left out. */
export function startOf(schema: unknown, root: Schema, depth = 0): unknown {
  const { shape, schema: bare, nullable } = placeOf(schema, root);
  if ("default" in bare) return bare.default;
  if (nullable || depth > MOST_STEPS) return undefined;
  if (shape.kind === "choice" && shape.values.length === 1) return shape.values[0];
  if (shape.kind === "list") return [];
  if (shape.kind === "oneOf") return startOf(shape.options[0]?.schema, root, depth + 1);
  if (shape.kind !== "object") return undefined;
  const entries = shape.properties
    .filter(({ required }) => required)
    .map(({ name, schema }): [string, unknown] => [name, startOf(schema, root, depth + 1)]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}
