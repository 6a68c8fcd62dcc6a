import type {
  ConnectionTest,
  EnvTemplatesAnswer,
  ServerView,
  SlotView,
  ValueMeta,
  ValuesAnswer,
} from "@/api/schema.gen";
import { webAddress } from "@/lib/web-address";

export interface FieldView {
  slot: SlotView;
  /** As the label shows it: without `USER_`. */
  short: string;
  /** The mask of what is saved, or the value itself where it is no secret; null when nothing is. */
  saved: string | null;
  meta: ValueMeta | null;
}

export interface Section {
  server: string;
  slug: string;
  type: string;
  enabled: boolean;
  fields: FieldView[];
}

/** What is typed and not saved: server → variable → text, or null to remove what is saved. */
export type Draft = Record<string, Record<string, string | null>>;

export type SectionState =
  | { kind: "off" | "unsaved" | "check" | "untested" | "ready" }
  | { kind: "missing"; count: number };

export function sectionsOf(
  templates: EnvTemplatesAnswer,
  values: ValuesAnswer,
  servers: ServerView[],
): Section[] {
  return Object.entries(templates.slots).map(([server, slots]) => {
    const view = servers.find(({ name }) => name === server);
    return {
      server,
      slug: view?.slug ?? server,
      type: view?.type ?? "",
      enabled: view?.enabled ?? true,
      fields: slots.map((slot) => ({
        slot,
        short: slot.name.replace(/^USER_/, ""),
        saved: values.data[server]?.[slot.name] ?? null,
        meta: values.meta[server]?.[slot.name] ?? null,
      })),
    };
  });
}

/** The first that holds, in this order: off, not saved, missing, check needed, not tested, ready. */
export function stateOf(section: Section, draft: Draft, test: ConnectionTest | null): SectionState {
  if (!section.enabled) return { kind: "off" };
  if (Object.keys(draft[section.server] ?? {}).length > 0) return { kind: "unsaved" };
  const missing = section.fields.filter(({ slot, saved }) => slot.required && saved === null).length;
  if (missing > 0) return { kind: "missing", count: missing };
  const refused = section.fields.some(({ meta }) => meta?.valid === false);
  if (refused || test?.ok === false) return { kind: "check" };
  return { kind: test === null ? "untested" : "ready" };
}

/** Puts a text into the draft; what equals what is saved and readable is no change. */
export function typed(draft: Draft, server: string, field: FieldView, text: string | null): Draft {
  const same =
    text === "" ? field.saved === null || field.slot.secret : !field.slot.secret && text === field.saved;
  return same ? untyped(draft, server, field.slot.name) : put(draft, server, field.slot.name, text);
}

function put(draft: Draft, server: string, name: string, text: string | null): Draft {
  return { ...draft, [server]: { ...draft[server], [name]: text } };
}

export function untyped(draft: Draft, server: string, name: string): Draft {
  const { [name]: _, ...rest } = draft[server] ?? {};
  const { [server]: __, ...others } = draft;
  return Object.keys(rest).length === 0 ? others : { ...others, [server]: rest };
}

/** The variables that would change, by their full names. */
export function changes(draft: Draft): string[] {
  return Object.values(draft).flatMap((values) => Object.keys(values));
}

/** What is sent: an emptied field that was saved is cleared, as an empty text means "as it is" to the hub. */
export function toSave(draft: Draft): Record<string, Record<string, string | null>> {
  return Object.fromEntries(
    Object.entries(draft).map(([server, values]) => [
      server,
      Object.fromEntries(Object.entries(values).map(([name, text]) => [name, text?.trim() || null])),
    ]),
  );
}

/** The texts of a server's draft a test may use in place of the saved ones. */
export function toTest(draft: Draft, server: string): Record<string, string> {
  const values = Object.entries(draft[server] ?? {});
  return Object.fromEntries(values.filter((entry): entry is [string, string] => Boolean(entry[1]?.trim())));
}

/** Lines of the form `NAME=value`, as in an .env file, for variables of this section; {} when it is no such text. */
export function pasted(text: string, section: Section): Record<string, string> {
  const found: Record<string, string> = {};
  for (const line of text.split(/\r?\n/)) {
    const [, name, value] = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    const field = section.fields.find(
      ({ slot, short }) => name === slot.name || name === short || name === slot.canonical,
    );
    const bare = value?.replace(/^(["'])(.*)\1$/, "$2");
    if (field && bare) found[field.slot.name] = bare;
  }
  return found;
}

/** Does a text have the form the slot asks for? A pattern this browser does not know is left to the hub. */
export function fits(slot: SlotView, text: string): boolean {
  if (!slot.pattern || text.trim() === "") return true;
  try {
    return new RegExp(slot.pattern, "u").test(text.trim());
  } catch {
    return true;
  }
}

/** The sections of which the server or a variable is called this; of a section found by a variable all of it. */
export function narrowed(sections: Section[], wanted: string): Section[] {
  const text = wanted.trim().toLowerCase();
  if (text === "") return sections;
  return sections.filter(
    ({ server, fields }) =>
      server.toLowerCase().includes(text) ||
      fields.some(({ slot }) => `${slot.name} ${slot.label}`.toLowerCase().includes(text)),
  );
}

/** What whoever set the server up calls a variable; "" when they left it at its own name. */
export function givenLabel({ label, canonical }: Pick<SlotView, "label" | "canonical">): string {
  const words = (text: string) =>
    text
      .toLowerCase()
      .split(/[\s_]+/)
      .filter(Boolean)
      .join(" ");
  return words(label) === words(canonical) ? "" : label;
}

/** Where somebody finds out what to type; text only when whoever set it up wrote no address of the web. */
export function helpOf({
  helpUrl = "",
}: Pick<SlotView, "helpUrl">): { href: string | null; text: string } | null {
  return helpUrl === "" ? null : { href: webAddress(helpUrl), text: helpUrl.replace(/^https?:\/\//, "") };
}
