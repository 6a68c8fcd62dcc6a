import { counted } from "../counted";
/** How a client's list looks: where it is chosen, and where it is shown. */
export const exposure = {
  title: "What clients list",
  text: "Whatever is listed, every tool you may use can be called by its name.",
  names: { auto: "Automatic", tools: "Every tool", servers: "One tool for each server", search: "Search" },
  hints: {
    auto: "Every tool up to 40 of them, else one for each of up to 5 servers, else search.",
    tools: "Each tool under its own name. Many clients drop some beyond about 40.",
    servers: "Your assistant asks a server what it can do, and calls it. Short lists, whatever is behind.",
    search: "Four tools: your assistant looks for what it needs among all you may use, and calls it.",
  },
  lists: (count: string) => `lists ${count}`,
  listsNow: (count: string) => `Your clients list ${counted(count, "tool")} now.`,
  more: "A server has not shown its tools yet.",
  changed: (name: string) => `Clients list by <b>${name}</b> from now on`,
  why: "List `hub_why`",
  whyText: "A tool by which your assistant can ask why it does not see something.",
  whyOn: "`hub_why` is listed",
  whyOff: "`hub_why` is no longer listed",
};
