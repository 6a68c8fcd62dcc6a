import { counted } from "../counted";

export const rehearsal = {
  title: "Tried on real calls",
  text: "Which calls of the last days would have been refused, had this been saved then.",
  days: "Calls of the last",
  span: (days: string) => counted(days, "day"),
  run: "Try it",
  again: "Try it again",
  none: (calls: string) => `None of ${counted(calls, "call")} would have been refused.`,
  noCalls: "Nobody called anything in that time.",
  some: (refused: string, calls: string, users: string) =>
    `<b>${refused} of ${counted(calls, "call")}</b> by ${counted(users, "user")} would have been refused.`,
  already: (calls: string) =>
    `${counted(calls, "more call")} would be refused today, with this change or without.`,
  more: (count: string) => `and ${counted(count, "more row")}`,
  times: (calls: string) => counted(calls, "call"),
  columns: { what: "Call", why: "Why" },
  reasons: {
    renamed: "The tool has another name then",
    no_address: "The address is closed then",
  },
};
