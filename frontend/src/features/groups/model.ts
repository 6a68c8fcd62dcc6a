import type { GroupView, ServerView, SimulatorAccess } from "@/api/schema.gen";

export interface GroupDraft {
  name: string;
  description: string;
  servers: string[];
}

/** What the reader's groups do to what clients list. */
export type Rule =
  | { kind: "everything" }
  | { kind: "nothing"; groups: number }
  | { kind: "union"; active: number; groups: number };

export function ruleOf(groups: GroupView[]): Rule {
  if (groups.length === 0) return { kind: "everything" };
  const active = groups.filter(({ isActive }) => isActive).length;
  return active === 0
    ? { kind: "nothing", groups: groups.length }
    : { kind: "union", active, groups: groups.length };
}

export interface ShownServer {
  server: string;
  /** Names of tools as they are sent. */
  tools: string[];
  /** Tools that are there and not shown: switched off, or waiting for approval. */
  kept: number;
  /** Why no tool is known: values of the reader are missing, or nobody asked the server yet. */
  waits: "values" | "unlisted" | null;
}

/** The servers an access decision shows, by name, each with the tools it shows. */
export function shownServers(access: SimulatorAccess, servers: ServerView[]): ShownServer[] {
  const byName = new Map(servers.map((server) => [server.name, server]));
  return access.servers
    .filter(({ reason }) => reason === "allowed")
    .map(({ server, tools }) => ({
      server,
      tools: tools.filter(({ reason }) => reason === "allowed").map(({ exposedName }) => exposedName),
      kept: tools.filter(({ reason }) => reason !== "allowed").length,
      waits: waitsFor(byName.get(server), tools.length),
    }))
    .sort((a, b) => a.server.localeCompare(b.server));
}

function waitsFor(server: ServerView | undefined, known: number): ShownServer["waits"] {
  if (server?.status === "needs_setup") return "values";
  return known === 0 && server?.toolsListed === false ? "unlisted" : null;
}

export interface Counted {
  tools: number;
  /** A server of the group was not asked for its tools yet, so that there may be more. */
  atLeast: boolean;
}

/** How many tools a group would show by itself.
 *
 * @param access as if every group were on.
 */
export function countOf(group: GroupView, access: SimulatorAccess, servers: ServerView[]): Counted {
  const own = shownServers(access, servers).filter(({ server }) => group.servers.includes(server));
  return {
    tools: own.reduce((sum, { tools }) => sum + tools.length, 0),
    atLeast: own.some(({ waits }) => waits !== null),
  };
}

/** A name for a copy that no group has: `backend 2`, `backend 3`. */
export function copyName(name: string, groups: GroupView[]): string {
  const taken = new Set(groups.map((group) => group.name.toLowerCase()));
  const stem = name.replace(/ \d+$/, "");
  for (let number = 2; ; number += 1) {
    const wanted = `${stem} ${number}`;
    if (!taken.has(wanted.toLowerCase())) return wanted;
  }
}

export function draftOf(group: GroupView): GroupDraft {
  return {
    name: group.name,
    description: group.description,
    servers: [...group.servers, ...group.missingServers],
  };
}

export function isChanged(draft: GroupDraft, group: GroupView): boolean {
  const before = draftOf(group);
  return (
    draft.name.trim() !== before.name ||
    draft.description.trim() !== before.description ||
    [...draft.servers].sort().join("\n") !== [...before.servers].sort().join("\n")
  );
}

/** Groups of which the name, the description or a server answers to the text. */
export function narrowed(groups: GroupView[], wanted: string): GroupView[] {
  const text = wanted.trim().toLowerCase();
  return groups.filter(({ name, description, servers, missingServers }) =>
    [name, description, ...servers, ...missingServers].some((each) => each.toLowerCase().includes(text)),
  );
}
