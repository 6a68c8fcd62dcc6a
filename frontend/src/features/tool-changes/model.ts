import type { FieldChange, ToolChange } from "@/api/schema.gen";

export type ChangeKind = "new" | "changed" | "withdrawn";

/** What happened to the tool, as far as the record tells. */
export function kindOf({ formerHash, withdrawn }: ToolChange): ChangeKind {
  if (withdrawn) return "withdrawn";
  return formerHash === null ? "new" : "changed";
}

/** A definition was kept by its hash only, so nobody can say what differs. */
export function isUnknown({ after, before, formerHash }: ToolChange): boolean {
  return after === null || (formerHash !== null && before === null);
}

export interface Side {
  sign: "−" | "+";
  text: string;
}

/** The lines of one field, what was before what is. */
export function sidesOf(change: FieldChange): Side[] {
  const sides: Side[] = [];
  if ("before" in change) sides.push({ sign: "−", text: textOf(change.before) });
  if ("after" in change) sides.push({ sign: "+", text: textOf(change.after) });
  return sides;
}

const textOf = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

/** `/inputSchema/properties/mail` is read as `inputSchema › properties › mail`. */
export function readable(pointer: string): string {
  const parts = pointer.split("/").slice(1);
  return parts.map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~")).join(" › ") || "/";
}

/** Changes of words that a model reads weigh most; those come first. */
export function sorted(differences: FieldChange[]): FieldChange[] {
  const weight = ({ field }: FieldChange) => (/(^|\/)(description|title)$/.test(field) ? 0 : 1);
  return [...differences].sort((one, other) => weight(one) - weight(other));
}
