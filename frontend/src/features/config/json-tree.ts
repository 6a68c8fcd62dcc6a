/** JSON as it was written: members in order, numbers and texts raw, and where everything stands. */
export interface ObjectNode {
  type: "object";
  from: number;
  to: number;
  members: Member[];
}
export interface Member {
  key: string;
  keyFrom: number;
  keyTo: number;
  value: Json;
}
export interface ArrayNode {
  type: "array";
  from: number;
  to: number;
  items: Json[];
}
export interface ScalarNode {
  type: "string" | "number" | "boolean" | "null";
  from: number;
  to: number;
  raw: string;
  value: string | number | boolean | null;
}
export type Json = ObjectNode | ArrayNode | ScalarNode;

export type Fault =
  | "expected_value"
  | "expected_key"
  | "expected_colon"
  | "expected_comma"
  | "expected_end"
  | "deep";

/** The text is no JSON from here on. */
export class Malformed extends Error {
  readonly at: number;
  readonly fault: Fault;

  constructor(at: number, fault: Fault) {
    super(fault);
    this.at = at;
    this.fault = fault;
  }
}

const SPACE = /[ \t\r\n]*/y;
const SCALAR = /"(?:[^"\\]|\\.)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const MOST_DEPTH = 64; // the hub's own limit

/**
 * @throws Malformed
 */
export function parseJson(text: string): Json {
  let at = 0;
  const skip = () => {
    SPACE.lastIndex = at;
    SPACE.test(text);
    at = SPACE.lastIndex;
  };
  const scalar = (fault: Fault): ScalarNode => {
    SCALAR.lastIndex = at;
    const found = SCALAR.exec(text);
    if (!found) throw new Malformed(at, fault);
    const [raw] = found;
    const from = at;
    let value: ScalarNode["value"];
    try {
      value = JSON.parse(raw); // a text may still hold a line break, or an escape that is none
    } catch {
      throw new Malformed(from, fault);
    }
    at += raw.length;
    return { type: value === null ? "null" : (typeof value as "string"), from, to: at, raw, value };
  };
  const node = (depth: number): Json => {
    skip();
    if (depth > MOST_DEPTH) throw new Malformed(at, "deep");
    const from = at;
    const open = text[at];
    if (open !== "{" && open !== "[") return scalar("expected_value");
    at += 1;
    const made: ObjectNode | ArrayNode =
      open === "{"
        ? { type: "object", from, to: from, members: [] }
        : { type: "array", from, to: from, items: [] };
    const close = open === "{" ? "}" : "]";
    skip();
    if (text[at] === close) {
      at += 1;
      return { ...made, to: at };
    }
    for (;;) {
      if (made.type === "object") made.members.push(member(depth));
      else made.items.push(node(depth + 1));
      skip();
      if (text[at] === close) break;
      if (text[at] !== ",") throw new Malformed(at, "expected_comma");
      at += 1;
    }
    at += 1;
    return { ...made, to: at };
  };
  const member = (depth: number): Member => {
    skip();
    if (text[at] !== '"') throw new Malformed(at, "expected_key");
    const key = scalar("expected_key");
    skip();
    if (text[at] !== ":") throw new Malformed(at, "expected_colon");
    at += 1;
    return { key: String(key.value), keyFrom: key.from, keyTo: key.to, value: node(depth + 1) };
  };
  const root = node(0);
  skip();
  if (at < text.length) throw new Malformed(at, "expected_end");
  return root;
}

/** The tree, or null when the text is no JSON. */
export function treeOf(text: string): Json | null {
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

/** As the hub writes it: two spaces, a line for each member, nothing inside of what is empty. */
export function printJson(node: Json, indent = ""): string {
  const inner = `${indent}  `;
  const block = (open: string, lines: string[], close: string) =>
    lines.length === 0
      ? open + close
      : `${open}\n${lines.map((line) => inner + line).join(",\n")}\n${indent}${close}`;
  if (node.type === "object") {
    return block(
      "{",
      node.members.map(({ key, value }) => `${JSON.stringify(key)}: ${printJson(value, inner)}`),
      "}",
    );
  }
  if (node.type === "array")
    return block(
      "[",
      node.items.map((item) => printJson(item, inner)),
      "]",
    );
  return node.raw;
}

/** The whole document as text. */
export const printDocument = (node: Json) => `${printJson(node)}\n`;

export function memberOf(node: Json | undefined | null, key: string): Json | undefined {
  return node?.type === "object" ? node.members.find((member) => member.key === key)?.value : undefined;
}

/** A value that was not read from a text. */
export function nodeOf(value: unknown): Json {
  return parseJson(JSON.stringify(value));
}

export type Path = (string | number)[];

/** What stands at a JSON pointer. */
export function pathOf(pointer: string): string[] {
  if (pointer === "") return [];
  return pointer
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

export function pointerOf(path: Path): string {
  return path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** Where to mark something that is said of a place: the key of the member, else the value; the nearest that is there. */
export function placeOf(root: Json, pointer: string): { from: number; to: number } {
  let place = { from: root.from, to: Math.min(root.to, root.from + 1) };
  let node: Json | undefined = root;
  for (const part of pathOf(pointer)) {
    if (node?.type === "object") {
      const found: Member | undefined = node.members.find((member) => member.key === part);
      if (!found) break;
      place = { from: found.keyFrom, to: found.keyTo };
      node = found.value;
    } else if (node?.type === "array") {
      node = node.items[Number(part)];
      if (!node) break;
      place = { from: node.from, to: node.to };
    } else break;
  }
  return place;
}

/** Equal as documents: the order of members counts, and 1 is not 1.0. */
export function sameJson(one: Json | undefined, other: Json | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return printJson(one) === printJson(other);
}
