import type { AudienceNames, ServerView } from "@/api/schema.gen";
import type { View } from "./search";

export const MEMBERS = ["users", "organizations", "teams", "groups"] as const;

export type Member = (typeof MEMBERS)[number];
export type Named = Record<Member, string[]>;
export type Audience = "everyone" | AudienceNames;
export type Kind = "everyone" | "named" | "private" | "nobody" | "unreadable";

const NOBODY: Named = { users: [], organizations: [], teams: [], groups: [] };
const MOST_NAME = 256; // characters, as the hub takes them

/** Whom a server is for, read for people: what its entry says of visibility and owner counts before its audience. */
export interface Whom {
  kind: Kind;
  everyone: boolean;
  named: Named;
  /** Of a server that is not public; "" when it names none. */
  owner: string;
}

export function whomOf({ audience, config }: Pick<ServerView, "audience" | "config">): Whom {
  const readable = audience === undefined || audience === "everyone" || isNamed(audience);
  const named = isNamed(audience) ? { ...NOBODY, ...audience } : NOBODY;
  const everyone = audience === undefined || audience === "everyone";
  const owner = typeof config?.owner === "string" ? config.owner : "";
  const kind = (): Kind => {
    if ((config?.visibility ?? "public") !== "public") return "private";
    if (!readable) return "unreadable";
    if (everyone) return "everyone";
    return count(named) > 0 ? "named" : "nobody";
  };
  return { kind: kind(), everyone, named, owner };
}

function isNamed(audience: unknown): audience is Partial<Named> {
  if (typeof audience !== "object" || audience === null) return false;
  return Object.entries(audience).every(
    ([member, names]) =>
      (MEMBERS as readonly string[]).includes(member) &&
      Array.isArray(names) &&
      names.every((name) => typeof name === "string"),
  );
}

export const count = (named: Named) => MEMBERS.reduce((sum, member) => sum + named[member].length, 0);

/** As the hub takes it: lists without a name are left out. */
export function audienceOf({ everyone, named }: Pick<Whom, "everyone" | "named">): Audience {
  if (everyone) return "everyone";
  return Object.fromEntries(
    MEMBERS.filter((member) => named[member].length > 0).map((member) => [member, named[member]]),
  );
}

/** Are two audiences the same people? */
export function same(
  one: Pick<Whom, "everyone" | "named">,
  other: Pick<Whom, "everyone" | "named">,
): boolean {
  return JSON.stringify(audienceOf(one)) === JSON.stringify(audienceOf(other));
}

/** What is wrong with a name; null for nothing. The hub checks it again. */
export function fault(member: Member, name: string): "nameForm" | "teamForm" | "organizationForm" | null {
  if (name.length < 1 || name.length > MOST_NAME) return "nameForm";
  if (member === "organizations" && name.includes("/")) return "organizationForm";
  if (member === "teams" && !/^[^/]+\/[^/]+$/.test(name)) return "teamForm";
  return null;
}

/** What was typed or pasted, name by name: commas and new lines stand between. */
export function namesIn(text: string): string[] {
  return text
    .split(/[,\n]/)
    .map((name) => name.trim())
    .filter(Boolean);
}

export function narrowed(servers: ServerView[], view: View, q: string): ServerView[] {
  const needle = q.trim().toLowerCase();
  return servers.filter((server) => {
    const whom = whomOf(server);
    if (view && whom.kind !== view && !(view === "nobody" && whom.kind === "unreadable")) return false;
    const names = [server.name, whom.owner, ...MEMBERS.flatMap((member) => whom.named[member])];
    return names.some((name) => name.toLowerCase().includes(needle));
  });
}
