import type { HeardNode, LiveCall, LiveSession } from "@/api/schema.gen";

/** A session as it is shown: one that ended stays for a moment, so that it is seen to go. */
export interface ShownSession {
  session: LiveSession;
  /** Milliseconds since 1970; null while it lives. */
  endedAt: number | null;
  /** When the hub said this, milliseconds since 1970. */
  saidAt: number;
}

export const ENDED_FOR = 8_000; // milliseconds

/** What is shown after the hub said which sessions there are: the newest first, those that ended in their places. */
export function renewed(shown: ShownSession[], live: LiveSession[], now: number): ShownSession[] {
  const alive = new Map(live.map((session) => [session.id, session]));
  const kept = shown
    .filter(
      ({ session, endedAt }) => !alive.has(session.id) && (endedAt === null || now - endedAt < ENDED_FOR),
    )
    .map((one) =>
      one.endedAt === null
        ? { ...one, endedAt: now, session: { ...one.session, inFlight: 0, calls: [] } }
        : one,
    );
  const said = live.map((session) => ({ session, endedAt: null, saidAt: now }));
  return [...said, ...kept].sort((one, other) => other.session.since.localeCompare(one.session.since));
}

/** Names of nodes by their ids, as they stand in a cell. */
export function namesOf(nodes: HeardNode[], ids: string[]): string {
  return ids.map((id) => nodes.find((node) => node.id === id)?.name ?? id).join(", ");
}

/** Names of the nodes that did not say what they have; empty when all did. */
export function silent(nodes: HeardNode[]): string {
  return nodes
    .filter(({ answered }) => !answered)
    .map(({ name }) => name)
    .join(", ");
}

/** Those whose user, client or key has the text in its name. */
export function found(shown: ShownSession[], text: string): ShownSession[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return shown;
  return shown.filter(({ session: { username, clientName, keyName, id } }) =>
    [username, clientName, keyName, id].some((name) => name.toLowerCase().includes(wanted)),
  );
}

/** How much of its time a call has used, 0 to 1; null when it has no end. */
export function used({ since, timeoutMs }: LiveCall, now: number): number | null {
  if (timeoutMs === null) return null;
  return Math.min(Math.max((now - Date.parse(since)) / timeoutMs, 0), 1);
}

/** Milliseconds a session has been idle by now. */
export function idleFor({ session, saidAt }: ShownSession, now: number): number {
  return session.idleSeconds * 1000 + Math.max(now - saidAt, 0);
}

export function inFlight(shown: ShownSession[]): number {
  return shown.reduce((sum, { session }) => sum + session.inFlight, 0);
}
