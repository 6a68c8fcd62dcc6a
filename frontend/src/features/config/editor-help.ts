import type { Completion, CompletionContext, CompletionResult } from "@codemirror/autocomplete";
import { syntaxTree } from "@codemirror/language";
import type { EditorState, Extension } from "@codemirror/state";
import { hoverTooltip } from "@codemirror/view";
import type { SyntaxNode } from "@lezer/common";
import type { Path } from "./json-tree";
import { keysOf, type Schema, schemaAt, valuesOf } from "./schema";

/** What the document may say, and what is known beside it. */
export interface Known {
  schema: Schema;
  /** Names of variables, with what they are. */
  variables: { name: string; detail: string }[];
}

const VALUES = new Set(["String", "Number", "True", "False", "Null"]);

/** Completes keys, values, and `${…}` inside of texts. */
export function complete(known: () => Known) {
  return (context: CompletionContext): CompletionResult | null => {
    const { state, pos } = context;
    const node = syntaxTree(state).resolveInner(pos, -1);
    const variable = context.matchBefore(/\$\{[A-Za-z0-9_]*/);
    if (variable && (node.name === "String" || node.name === "⚠"))
      return ofVariables(variable.from, pos, state, known());
    if (
      node.name === "PropertyName" ||
      (node.name === "⚠" && node.parent?.name === "Object") ||
      node.name === "Object"
    ) {
      if (node.name !== "PropertyName" && !context.explicit && !context.matchBefore(/"[^"]*/)) return null;
      return ofKeys(context, node, known().schema);
    }
    const place = placed(node);
    if (!place || (!context.explicit && node.name !== "String")) return null;
    const options = valuesOf(schemaAt(known().schema, pathOf(state, place))).map(
      (value): Completion => ({ label: JSON.stringify(value), type: "constant" }),
    );
    if (options.length === 0) return null;
    const from = VALUES.has(node.name) ? node.from : pos;
    return { from, to: VALUES.has(node.name) ? node.to : pos, options, filter: false };
  };
}

function ofKeys(context: CompletionContext, node: SyntaxNode, schema: Schema): CompletionResult | null {
  const { state, pos } = context;
  const object = node.name === "Object" ? node : around(node, "Object");
  if (!object) return null;
  const taken = new Set(object.getChildren("Property").map((one) => keyOf(state, one)));
  const own = node.name === "PropertyName" ? keyOf(state, node.parent) : undefined;
  const typed = node.name === "PropertyName" ? node.from : (context.matchBefore(/"?[\w$-]*/)?.from ?? pos);
  const follows = node.name === "PropertyName" && /^\s*:/.test(state.sliceDoc(node.to, node.to + 20));
  const options = keysOf(schemaAt(schema, pathOf(state, object)))
    .filter(([key]) => key === own || !taken.has(key))
    .map(
      ([key, inner]): Completion => ({
        label: JSON.stringify(key),
        detail: inner.type ?? (inner.enum || inner.anyOf ? "…" : ""),
        info: inner.description || undefined,
        type: "property",
        apply: follows ? JSON.stringify(key) : `${JSON.stringify(key)}: ${empty(inner)}`,
      }),
    );
  if (options.length === 0) return null;
  return {
    from: typed,
    to: node.name === "PropertyName" ? node.to : pos,
    options,
    validFor: /^"?[\w$-]*"?$/,
  };
}

function empty(schema: Schema): string {
  if (schema.default !== undefined) return JSON.stringify(schema.default);
  const [first] = schema.enum ?? [];
  if (first !== undefined) return JSON.stringify(first);
  return { object: "{}", array: "[]", string: '""', boolean: "true", number: "0", integer: "0" }[
    schema.type ?? "string"
  ];
}

function ofVariables(from: number, pos: number, state: EditorState, known: Known): CompletionResult {
  const closed = state.sliceDoc(pos, pos + 1) === "}";
  return {
    from,
    options: known.variables.map(({ name, detail }) => ({
      label: `\${${name}}`,
      detail,
      type: "variable",
      apply: closed ? `\${${name}` : `\${${name}}`,
    })),
    validFor: /^\$\{[A-Za-z0-9_]*$/,
  };
}

/** Says what a key is for. */
export function hover(known: () => Known, words: { default: string; values: string }): Extension {
  return hoverTooltip((view, pos) => {
    const node = syntaxTree(view.state).resolveInner(pos, 1);
    const property = node.name === "PropertyName" ? node.parent : VALUES.has(node.name) ? placed(node) : null;
    if (!property) return null;
    const schema = schemaAt(known().schema, pathOf(view.state, property));
    const values = schema?.enum;
    if (!schema?.description && !values && schema?.default === undefined) return null;
    return {
      pos: node.from,
      end: node.to,
      create() {
        const dom = document.createElement("div");
        dom.className = "cm-hover";
        dom.lang = "en"; // the hub describes its schema in English
        const say = (text: string, code = "") => {
          const line = dom.appendChild(document.createElement("p"));
          line.textContent = text;
          if (code) line.appendChild(document.createElement("code")).textContent = code;
        };
        if (schema.description) say(schema.description);
        if (values) say(`${words.values}: `, values.map((one) => JSON.stringify(one)).join(", "));
        if (schema.default !== undefined) say(`${words.default}: `, JSON.stringify(schema.default));
        return { dom };
      },
    };
  });
}

// places in the tree

/** The member or element that a value, or a gap for one, is of. */
function placed(node: SyntaxNode): SyntaxNode | null {
  if (node.name === "Property") return node;
  const { parent } = node;
  if (!parent) return null;
  if (parent.name === "Property") return parent;
  return parent.name === "Array" && VALUES.has(node.name) ? node : null;
}

function around(node: SyntaxNode, name: string): SyntaxNode | null {
  for (let each = node.parent; each; each = each.parent) if (each.name === name) return each;
  return null;
}

function keyOf(state: EditorState, property: SyntaxNode | null): string {
  const name = property?.getChild("PropertyName");
  if (!name) return "";
  const raw = state.sliceDoc(name.from, name.to);
  try {
    return JSON.parse(raw);
  } catch {
    return raw.replaceAll('"', "");
  }
}

function pathOf(state: EditorState, node: SyntaxNode): Path {
  const path: Path = [];
  for (let each: SyntaxNode | null = node; each; each = each.parent) {
    if (each.name === "Property") path.unshift(keyOf(state, each));
    else if (each.parent?.name === "Array") {
      let index = 0;
      for (let before = each.prevSibling; before; before = before.prevSibling) {
        if (VALUES.has(before.name) || before.name === "Object" || before.name === "Array") index += 1;
      }
      path.unshift(index);
    }
  }
  return path;
}
