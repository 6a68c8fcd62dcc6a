import type { Fact, TraceView } from "@/api/schema.gen";

/** One line of the waterfall. Times are milliseconds from the beginning of the trace. */
export interface Span {
  id: string;
  depth: number;
  kind: "request" | "call" | "wait" | "upstream" | "command" | "fact" | "access";
  name: string;
  from: number;
  length: number;
  /** Where the fact stands. */
  position?: number;
  /** What it is about: a subject, a server. */
  detail?: string;
}

export interface Waterfall {
  spans: Span[];
  /** Milliseconds from the beginning to the last thing that is known. */
  whole: number;
}

/** The lines of a trace: the request, its commands, their facts, and below each what it caused. */
export function waterfallOf(trace: TraceView): Waterfall {
  const began = Date.parse(trace.startedAt);
  const since = (at: string) => Math.max(Date.parse(at) - began, 0);
  const spans: Span[] = [];
  const known = new Set(trace.facts.map(({ id }) => id));
  const own = trace.facts.filter(({ causationId }) => !known.has(causationId));
  if (trace.call) spans.push(...ofCall(trace.call));
  else if (own.length > 0 || trace.access.length > 0) {
    const ends = [...own.filter(({ trace: of }) => of === trace.id), ...trace.access].map(({ at }) =>
      since(at),
    );
    const route = trace.access.find(({ route: known }) => known);
    spans.push({
      id: "request",
      depth: 0,
      kind: "request",
      name: route ? `${route.method} ${route.route}` : (own[0]?.source ?? ""),
      from: 0,
      length: Math.max(0, ...ends),
    });
  }
  for (const item of trace.access) {
    spans.push({
      id: item.id,
      depth: 1,
      kind: "access",
      name: item.type,
      from: since(item.at),
      length: 0,
      detail: item.outcome,
    });
  }
  for (const { command, facts } of commandsOf(own)) {
    const last = facts.at(-1) as Fact;
    const first = facts[0] as Fact;
    spans.push({
      id: `command ${first.id}`,
      depth: 1,
      kind: "command",
      name: command,
      from: first.trace === trace.id ? 0 : since(first.at),
      length: first.trace === trace.id ? since(last.at) : 0,
    });
    for (const fact of facts) spans.push(...ofFact(fact, 2, trace.facts, since));
  }
  return { spans, whole: Math.max(1, ...spans.map(({ from, length }) => from + length)) };
}

function ofFact(fact: Fact, depth: number, all: readonly Fact[], since: (at: string) => number): Span[] {
  const below = all.filter(({ causationId }) => causationId === fact.id);
  return [
    {
      id: fact.id,
      depth,
      kind: "fact",
      name: fact.type,
      from: since(fact.at),
      length: 0,
      position: fact.position,
      detail: fact.subject?.name || fact.userName,
    },
    ...below.flatMap((one) => ofFact(one, depth + 1, all, since)),
  ];
}

/** Facts in a row that one command made. */
function commandsOf(facts: readonly Fact[]): { command: string; facts: Fact[] }[] {
  const groups: { command: string; facts: Fact[] }[] = [];
  for (const fact of facts) {
    const last = groups.at(-1);
    if (last && last.command === fact.command && last.facts[0]?.trace === fact.trace) last.facts.push(fact);
    else groups.push({ command: fact.command, facts: [fact] });
  }
  return groups;
}

function ofCall(call: NonNullable<TraceView["call"]>): Span[] {
  const whole = call.durationMs ?? 0;
  const wait = call.waitMs ?? 0;
  const upstream = call.upstreamMs ?? 0;
  // What is left is the hub's own; most of it comes before the call goes out.
  const hub = Math.max(whole - wait - upstream, 0);
  const line = { depth: 1, detail: call.server ?? "" };
  return [
    {
      id: call.id,
      depth: 0,
      kind: "call",
      name: call.method ?? "",
      from: 0,
      length: whole,
      detail: call.tool ?? "",
    },
    ...(wait > 0 ? [{ ...line, id: "wait", kind: "wait" as const, name: "", from: hub, length: wait }] : []),
    ...(upstream > 0
      ? [{ ...line, id: "upstream", kind: "upstream" as const, name: "", from: hub + wait, length: upstream }]
      : []),
  ];
}

/** One JSON object a line, everything that is known of the trace. */
export function linesOf({ call, access, before, facts }: TraceView): string {
  return [...before, ...(call ? [call] : []), ...access, ...facts]
    .map((one) => `${JSON.stringify(one)}\n`)
    .join("");
}
