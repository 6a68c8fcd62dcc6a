export const toolChanges = {
  title: "Tool changes",
  subtitle:
    "What servers say of their tools reaches models as it is. New and changed definitions, on the record.",
  which: "Which changes",
  waiting: "Waiting",
  all: "All",
  withoutFilter: (server: string) => `Not only ${server}`,
  flood: (server: string, count: string) =>
    `<b>${server}</b> brought more definitions than an hour records: ${count} were left out and cannot be used. Since`,
  empty: "Nothing waits for approval",
  emptyText:
    "Changes wait where a server's config says `onToolChange: quarantine`. Elsewhere they are used at once and stand under All.",
  columns: {
    tool: "Tool",
    server: "Server",
    kind: "Change",
    fields: "Fields",
    since: "Since",
    state: "State",
  },
  kinds: { new: "new", changed: "changed", withdrawn: "withdrawn" },
  waits: "Waits",
  accepted: "In use",
  fields: "Changes",
  definitions: "Definitions",
  before: "Before",
  after: "Now",
  noneBefore: "The tool is new.",
  notKept: "Only the hash was kept: the definition is too large, or repeats a user's value.",
  unknown:
    "What differs is not known, because only the hash of a definition was kept. Look at the server itself.",
  newerWaits: "A newer definition of this tool waits as well. This approves the older one only.",
  approve: "Approve",
  approved: (tool: string) => `Approved <b>${tool}</b>`,
  waitsText: "Until it is approved, nobody's client lists or calls it in this form.",
  acceptedText: "Nothing is to be decided here.",
  adminsApprove: "Only administrators approve.",
};
