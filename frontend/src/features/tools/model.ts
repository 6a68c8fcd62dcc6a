import { isObject, isSecret, placeOf, type Schema } from "./schema";

export type Arguments = Record<string, unknown>;

/** JSON of an object, as somebody types it; null when it is none. */
export function parsedArguments(text: string): Arguments | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

export const pretty = (value: unknown) => JSON.stringify(value, null, 2);

/** With a member set, or left out for undefined. */
export function withMember(value: unknown, name: string, member: unknown): Schema {
  const { [name]: _, ...rest } = isObject(value) ? value : {};
  if (member === undefined) return rest;
  return isObject(value) && name in value ? { ...value, [name]: member } : { ...rest, [name]: member };
}

/** The number somebody typed; the text itself when it is none yet, undefined for nothing. */
export function typedNumber(text: string): number | string | undefined {
  if (text.trim() === "") return undefined;
  return /^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim()) ? Number(text) : text;
}

/** JSON somebody typed into a field; the text itself when it is none. */
export function typedJson(text: string): unknown {
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/**
 * The value with each secret put through `change`: what the schema calls one, and what is called like one wherever it
 * stands.
 *
 * @param change undefined leaves it out.
 */
export function mapSecrets(
  value: unknown,
  schema: unknown,
  root: Schema,
  change: (name: string) => unknown,
): unknown {
  const { shape, schema: bare } = placeOf(schema, root);
  if (Array.isArray(value)) {
    const item = isObject(bare.items) ? bare.items : {};
    return value.map((each) => mapSecrets(each, item, root, change));
  }
  if (!isObject(value)) return value;
  const members = shape.kind === "oneOf" ? shape.options.map((option) => option.schema) : [bare];
  const schemaOf = (name: string) =>
    members.map(({ properties }) => (isObject(properties) ? properties[name] : undefined)).find(isObject) ??
    {};
  const entries = Object.entries(value).map(([name, each]): [string, unknown] => {
    const of = schemaOf(name);
    const secret = each !== null && isSecret(name, placeOf(of, root, name).schema);
    return [name, secret ? change(name) : mapSecrets(each, of, root, change)];
  });
  return Object.fromEntries(entries.filter(([, each]) => each !== undefined));
}

/** What may be kept of the arguments. */
export function withoutSecrets(value: Arguments, root: Schema): Arguments {
  return mapSecrets(value, root, root, () => undefined) as Arguments;
}

interface CallText {
  tool: string;
  arguments: Arguments;
  root: Schema;
}

/** The call as a client sends it; a secret is a placeholder. */
export function asJsonRpc({ tool, arguments: typed, root }: CallText): string {
  const shown = mapSecrets(typed, root, root, (name) => `<${name}>`);
  const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: tool, arguments: shown } };
  return pretty(message);
}

/** The same for a shell, with a key from its environment. */
export function asCurl(address: string, call: CallText): string {
  const body = JSON.stringify(JSON.parse(asJsonRpc(call)));
  return [
    `curl -sS ${quoted(address)}`,
    `-H "Authorization: Bearer $MCPHUB_KEY"`,
    `-H 'Content-Type: application/json'`,
    `-H 'Accept: application/json, text/event-stream'`,
    `-d ${quoted(body)}`,
  ].join(" \\\n  ");
}

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
