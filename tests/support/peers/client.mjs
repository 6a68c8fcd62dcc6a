// The official TypeScript client, driven line by line: one JSON command on stdin, one JSON answer on stdout.
// Notifications come as lines of their own, with no id.

import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  LoggingMessageNotificationSchema,
  ToolListChangedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";

const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

let client;
let transport;

const commands = {
  async connect({ url, headers, capabilities }) {
    client = new Client({ name: "typescript-sdk", version: "1" }, { capabilities: capabilities ?? {} });
    client.onerror = (error) => say({ error: String(error) });
    if (capabilities?.sampling) {
      client.setRequestHandler(CreateMessageRequestSchema, async (request) => ({
        model: "test",
        role: "assistant",
        content: { type: "text", text: `sampled: ${request.params.messages[0].content.text}` },
      }));
    }
    if (capabilities?.elicitation) {
      client.setRequestHandler(ElicitRequestSchema, async () => ({ action: "accept", content: { name: "Ada" } }));
    }
    for (const schema of [ToolListChangedNotificationSchema, LoggingMessageNotificationSchema]) {
      client.setNotificationHandler(schema, async (notification) => say({ notification: notification.method }));
    }
    transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
    await client.connect(transport);
    return { server: client.getServerVersion(), capabilities: client.getServerCapabilities() };
  },
  listTools: async () => (await client.listTools()).tools,
  async callTool({ name, arguments: given, progress }) {
    const seen = [];
    const options = progress ? { onprogress: (step) => seen.push(step) } : {};
    const result = await client.callTool({ name, arguments: given }, undefined, options);
    return { ...result, seen };
  },
  ping: async () => client.ping(),
  async close() {
    await transport.terminateSession();
    await client.close();
    return {};
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, command, ...rest } = JSON.parse(line);
  commands[command](rest).then(
    (result) => say({ id, result }),
    (error) => say({ id, failed: String(error), code: error.code ?? null }),
  );
}
process.exit(0); // open streams would keep it
