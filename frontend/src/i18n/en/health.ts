type Values = Record<string, string>;

export const health = {
  title: "Health",
  subtitle:
    "What of the hub is well, what is not, and what to do about it. Looked at now, and again every 15 seconds.",
  again: "Look again",
  statuses: { ok: "Well", warning: "Needs attention", error: "Not well" },
  checks: "Checks",
  columns: { part: "Part", found: "What was found", took: "Took", since: "So since" },
  took: (milliseconds: string) => `${milliseconds} ms`,
  copyCommand: (command: string) => `Copy ${command}`,
  doctor: "On the command line",
  doctorText:
    "Says more than this page: versions, permissions, programs that servers need, the sandbox. It changes nothing.",
  build: { title: "Build", version: "Version", node: "Node", started: "Started", uptime: "Running for" },
  names: {
    database: "Database",
    ledger: "Event store",
    chain: "Hash chain",
    completeness: "Completeness",
    schema: "Schema",
    backup: "Backup",
    master_key: "Master key",
    retention: "Retention",
    tail: "Access decisions",
    read_tables: "Read tables",
    servers: "Servers",
    disk: "Disk",
    clock: "Clock",
    sign_in: "Sign-in",
    address: "Address",
    replica: "Replica",
  },
  found: {
    database: { answers: () => "Answers." },
    ledger: {
      writable: ({ position }: Values) => `Takes events. The newest is #${position}.`,
      read_only: () => "Takes no events: the database is read-only.",
    },
    chain: {
      holds: ({ events, position }: Values) => `Holds over the newest ${events} events, up to #${position}.`,
      broken: ({ position }: Values) =>
        `Breaks at #${position}: what is stored there is not what was recorded.`,
    },
    completeness: {
      complete: ({ position }: Values) => `Everything up to the last checkpoint, #${position}, is there.`,
      cut_off: ({ position, head }: Values) =>
        `Cut off: a checkpoint names #${position}, and the newest event is #${head}.`,
      rewritten: ({ position }: Values) =>
        `Rewritten: at #${position} stands something else than a checkpoint names.`,
      unknown: () => "There is no checkpoint to compare with.",
      empty: () => "Nothing is recorded yet.",
      elsewhere: () => "Another node signs the checkpoints.",
    },
    schema: {
      current: ({ code }: Values) => `As this release has it: migration ${code}.`,
      newer: ({ database, code }: Values) =>
        `Migration ${database}, newer than the ${code} of this release, which goes on with it.`,
      outgrown: ({ database, code }: Values) =>
        `Migration ${database}: too new for this release, which knows ${code}. The hub finishes what is under way and ends.`,
    },
    backup: {
      recent: ({ age }: Values) => `The last one was made ${age}.`,
      old: ({ age, days }: Values) =>
        `The last one was made ${age}; it should be no older than ${days} days.`,
      never: ({ age }: Values) => `None was ever made; the hub began ${age}.`,
      young: () => "None was made yet. The hub is still young.",
      elsewhere: () => "Not looked at: backups are made in another way.",
    },
    master_key: {
      young: ({ items, days }: Values) => `${items}, in use for ${days} days.`,
      old: ({ items, days, most }: Values) =>
        `${items}, in use for ${days} days; it should be no more than ${most}.`,
      unfinished: ({ items }: Values) => `A rotation was cut off: ${items} are all still needed.`,
    },
    retention: {
      kept: ({ calls, calls_most, access, access_most, payloads, payloads_most }: Values) =>
        `Days kept: calls ${calls} of ${calls_most}, sign-ins and refusals ${access} of ${access_most}, arguments and results ${payloads} of ${payloads_most}.`,
      late: ({ calls, calls_most, access, access_most, payloads, payloads_most }: Values) =>
        `Old rows are still there. Days kept: calls ${calls} of ${calls_most}, sign-ins and refusals ${access} of ${access_most}, arguments and results ${payloads} of ${payloads_most}.`,
    },
    tail: {
      follows: ({ position }: Values) => `Decided by the newest event, #${position}.`,
      behind: ({ position }: Values) =>
        `Stands at #${position} and cannot see whether there is more, so calls are refused.`,
    },
    read_tables: {
      current: ({ tables }: Values) => `All ${tables} are current.`,
      behind: ({ items, facts }: Values) => `${items}: ${facts} events behind.`,
      failed: ({ items }: Values) => `${items}: stopped at an event they cannot take.`,
    },
    servers: {
      answering: ({ servers }: Values) => `None of ${servers} reports an error.`,
      failing: ({ items, failing, servers }: Values) => `${failing} of ${servers} report an error: ${items}.`,
    },
    disk: {
      room: ({ free, total }: Values) => `${free} of ${total} free.`,
      little: ({ free, total }: Values) => `Only ${free} of ${total} free.`,
      too_little: ({ free, total }: Values) =>
        `Only ${free} of ${total} free. Changes are refused when nothing is left.`,
    },
    clock: {
      agrees: ({ milliseconds }: Values) => `Within ${milliseconds} ms of the database.`,
      differs: ({ milliseconds }: Values) => `${milliseconds} ms apart from the database.`,
    },
    sign_in: {
      local: () => "By name and password.",
      limited: ({ items }: Values) => `By name and password, and by ${items} for those who are allowed.`,
      open: ({ items }: Values) => `Anybody with an account at ${items} may come.`,
    },
    address: {
      https: ({ items }: Values) => `${items}, encrypted.`,
      loopback: ({ items }: Values) => `${items}, on this machine only.`,
      plain: ({ items }: Values) => `${items} is not encrypted: keys and passwords can be read on the way.`,
    },
    replica: {
      follows: ({ seconds }: Values) => `Gives the history of calls, ${seconds} s behind.`,
      behind: ({ seconds, most }: Values) =>
        `${seconds} s behind, of ${most} at most: the primary gives the history instead.`,
      away: () => "Does not answer, or holds another database: the primary gives the history instead.",
    },
  },
  silent: { silent: (_: Values) => "Did not answer in time." },
  remedies: {
    database: "Look at the database's log. The hub connects again by itself.",
    ledger: "Make the database writable: a full disk or a replica that took over makes it read-only.",
    chain: "Find out who changed the ledger, and restore it from a backup. The command checks all of it.",
    completeness:
      "Keep a copy of the database and of the checkpoints, and restore from a backup. The command says from where on.",
    schema: "Start the newer release here as well.",
    backup:
      "Make one, and see that it is made every day. Where the database is backed up in another way, set MCPHUB_BACKUP_DAYS to 0.",
    master_key:
      "Put a new master key in its place; the hub goes on meanwhile. Keep the old ring with the backups that need it.",
    retention: "Look at the log for day-sealer: only days that are sealed are let go.",
    tail: "Look at the database's log. Calls go on as soon as it answers.",
    read_tables: "Pages may show an older state. The command makes the tables anew; readers notice nothing.",
    servers: "Open the server to see its error. Others are not affected.",
    disk: "Make room, or shorten the history with MCPHUB_TRAFFIC_DAYS.",
    clock: "Set the clocks by NTP: times of events come from the database, times of calls from the hub.",
    sign_in: "Name who may come with MCPHUB_GITHUB_ALLOW or MCPHUB_OIDC_ALLOW.",
    replica: "Look at the replica and its connection to the primary. It is read again by itself.",
    address: "Put a proxy with TLS in front and set MCPHUB_PUBLIC_URL to its https address.",
  },
  degraded: (parts: string) => `The hub is not well: ${parts}.`,
  toHealth: "What to do",
};
