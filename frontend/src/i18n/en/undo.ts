import { counted } from "../counted";

export const undo = {
  open: "Undo…",
  title: (position: string) => `Undo event #${position}`,
  text: "A new event sets back what this one set. Nothing that was recorded is altered.",
  action: "Undo it",
  done: (position: string) => `Event #${position} is undone`,
  records: "Will be recorded",
  impossible: "This event cannot be undone",
  toEvent: (position: string) => `Event #${position}`,
  toVersions: "Versions of the settings",
  affects: "Whom it affects",
  nobody: "Nobody gains or loses a server or a tool.",
  users: (count: string) => counted(count, "user"),
  openSessions: (count: string) => counted(count, "open session"),
  more: (count: string) => `and ${counted(count, "more user")}`,
  user: "User",
  gains: "Gains",
  loses: "Loses",
  tools: (count: string) => counted(count, "tool"),
  nothing: "nothing",
};
