import type { Holder, Issue, Report, ShownConfig } from "@/api/schema.gen";

/** One line of the report: a variable at one server, or over all of them. */
export interface UsageRow {
  id: string;
  name: string;
  servers: string[];
  users: number;
  configured: number;
  /** 0 to 100; null when nobody may use it. */
  percent: number | null;
  holders: Holder[];
  required: boolean;
  secret: boolean;
  /** Its server is switched off. */
  off: boolean;
}

export function rowsByServer(report: Report): UsageRow[] {
  return report.servers.flatMap(({ server, enabled, variables }) =>
    variables.map((each) => ({
      ...each,
      id: `${server} ${each.name}`,
      servers: [server],
      off: !enabled,
    })),
  );
}

/** Over all servers it is required or secret when it is that to any of them. */
export function rowsByVariable(report: Report): UsageRow[] {
  const one = rowsByServer(report);
  return report.variables.map((each) => {
    const slots = one.filter(
      ({ name, servers }) => name === each.name && each.servers.includes(servers[0] ?? ""),
    );
    return {
      ...each,
      id: each.name,
      required: slots.some(({ required }) => required),
      secret: slots.some(({ secret }) => secret),
      off: slots.length > 0 && slots.every(({ off }) => off),
    };
  });
}

export function narrowedUsage(rows: UsageRow[], wanted: string): UsageRow[] {
  const text = wanted.trim().toLowerCase();
  return rows.filter(({ name, servers }) =>
    [name, ...servers].some((each) => each.toLowerCase().includes(text)),
  );
}

export type Severity = Issue["severity"];
const ORDER: Severity[] = ["ERROR", "WARNING", "INFO"];

export interface IssueRow extends Issue {
  id: string;
}

/** The worst first; each with a name of its own. */
export function issueRows(issues: Issue[]): IssueRow[] {
  return issues
    .map((issue, at) => ({ ...issue, id: String(at) }))
    .sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
}

export function narrowedIssues<I extends Issue>(issues: I[], severity: string, wanted: string): I[] {
  const text = wanted.trim().toLowerCase();
  return issues.filter(
    (issue) =>
      (severity === "all" || issue.severity === severity) &&
      [issue.username ?? "", issue.server, issue.name].some((each) => each.toLowerCase().includes(text)),
  );
}

export function countsOf(issues: Issue[]): Record<Severity, number> {
  const counts = { ERROR: 0, WARNING: 0, INFO: 0 };
  for (const { severity } of issues) counts[severity] += 1;
  return counts;
}

const HUB_NAME = /^HUB_[A-Z0-9_]+$/;
const LONGEST_NAME = 128;

export function isHubName(name: string): boolean {
  return HUB_NAME.test(name) && name.length <= LONGEST_NAME;
}

/** What differs from what is saved, which is all that is sent. */
export function changesOf(draft: ShownConfig, saved: ShownConfig): Partial<ShownConfig> {
  const names = Object.keys(saved) as (keyof ShownConfig)[];
  return Object.fromEntries(
    names.filter((name) => draft[name] !== saved[name]).map((name) => [name, draft[name]]),
  );
}

// As the hub has them.
export const RANGES = {
  intervalHours: { least: 1, most: 744 },
  maxOrphanedKeys: { least: 0, most: 1_000_000 },
};

/** The numbers the hub would refuse. */
export function outOfRange(draft: ShownConfig): (keyof typeof RANGES)[] {
  const names = Object.keys(RANGES) as (keyof typeof RANGES)[];
  return names.filter((name) => {
    const { least, most } = RANGES[name];
    return !Number.isInteger(draft[name]) || draft[name] < least || draft[name] > most;
  });
}

/** `03:30` of UTC as a time of today, to be shown in the reader's time zone; null for what is no time. */
export function todayAt(clock: string, today: Date): Date | null {
  const [, hours, minutes] = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(clock) ?? [];
  if (hours === undefined || minutes === undefined) return null;
  return new Date(
    Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), today.getUTCDate(), +hours, +minutes),
  );
}
