export const nodes = {
  title: "Nodes",
  columns: {
    name: "Node",
    version: "Version",
    sessions: "Sessions",
    streams: "Streams",
    inFlight: "Under way",
    runtimes: "Open servers",
    cores: "CPU",
    since: "Since",
  },
  cores: (percent: string) => `${percent} %`,
  states: { leaving: "shutting down", gone: "not heard of any more" },
};
