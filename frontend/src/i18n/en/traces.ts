export const traces = {
  title: "Trace",
  summary: (time: string, events: string) => `${time} in all, events: ${events}. Came in`,
  copy: "Copy as lines of JSON",
  inTimeline: "In the timeline",
  causedBy: "Something of it was caused by an earlier event:",
  notFound: "There is no such trace",
  notFoundText: "No event and no request has this id, or they are not for you to see.",
  columns: { what: "What", after: "After", when: "When" },
  kinds: {
    request: "Request",
    call: "Request of a client",
    wait: "Waited for the server to be free",
    upstream: "The server answered",
    command: "Command",
    fact: "Event",
    access: "Access log",
  },
};
