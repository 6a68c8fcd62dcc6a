import { type Json, memberOf, nodeOf, type ObjectNode, parseJson, printDocument } from "./json-tree";

type Config = Record<string, unknown>;

/** One server that a pasted text offers, as an entry of the document. */
export interface Offer {
  name: string;
  config: Config;
  /** How it runs, to choose among several of one name: `npm`, `streamable-http`. */
  way: string;
  /** Places whose literal was made a variable. */
  replaced: string[];
}

export type Pasted = { kind: "mcp.json" | "server.json"; offers: Offer[] } | { kind: "nothing" };

/** Reads an `mcp.json` of a client, or a `server.json` of the registry. */
export function offersIn(text: string): Pasted {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: "nothing" };
  }
  if (!isObject(value)) return { kind: "nothing" };
  // What registries answer wraps the document.
  const document = isObject(value.server) ? value.server : value;
  if (Array.isArray(document.packages) || Array.isArray(document.remotes)) {
    return { kind: "server.json", offers: ofRegistry(document) };
  }
  const servers = [value.mcpServers, value.servers, value].find(
    (one) => isObject(one) && looksLikeServers(one),
  );
  if (!isObject(servers)) return { kind: "nothing" };
  return {
    kind: "mcp.json",
    offers: Object.entries(servers).flatMap(([name, config]) =>
      isObject(config) ? [ofClient(name, config)] : [],
    ),
  };
}

/** The document with the offers in it; an entry of the same name is replaced. */
export function withOffers(root: Json, offers: Offer[]): string {
  if (root.type !== "object") return printDocument(root);
  const present = memberOf(root, "mcpServers");
  const entries = present?.type === "object" ? [...present.members] : [];
  for (const { name, config } of offers) {
    const entry = { key: name, keyFrom: 0, keyTo: 0, value: nodeOf(config) };
    const at = entries.findIndex(({ key }) => key === name);
    if (at >= 0) entries[at] = entry;
    else entries.push(entry);
  }
  const servers: ObjectNode = { type: "object", from: 0, to: 0, members: entries };
  const rest = root.members.filter(({ key }) => key !== "mcpServers");
  const at = Math.max(
    0,
    root.members.findIndex(({ key }) => key === "mcpServers"),
  );
  const member = { key: "mcpServers", keyFrom: 0, keyTo: 0, value: servers };
  return printDocument({ ...root, members: [...rest.slice(0, at), member, ...rest.slice(at)] });
}

export const EMPTY = () => parseJson('{"mcpServers": {}}');

// of clients

const SECRET = /token|key|secret|password|passwd|authorization|cookie/i;
/** Variables of clients: `${input:x}`, `${env:X}`. */
const CLIENT_VARIABLE = /\$\{(?:input|env):([^}]+)\}/g;

function ofClient(name: string, given: Config): Offer {
  const replaced: string[] = [];
  const config: Config = { ...given };
  for (const part of ["env", "headers"]) {
    if (!isObject(given[part])) continue;
    config[part] = Object.fromEntries(
      Object.entries(given[part]).map(([key, value]) => {
        const text = String(value).replaceAll(CLIENT_VARIABLE, (_, inner: string) => variable(inner));
        if (!SECRET.test(key) || text.includes("${") || text === "") return [key, text];
        replaced.push(`${part}.${key}`);
        // A header is a scheme and a secret; of everything else the whole value is one.
        const scheme = part === "headers" ? (/^(Bearer|Basic|token) /i.exec(text)?.[0] ?? "") : "";
        return [key, scheme + variable(part === "headers" ? `${name}_TOKEN` : key)];
      }),
    );
  }
  if (Array.isArray(given.args)) {
    config.args = given.args.map((each) =>
      String(each).replaceAll(CLIENT_VARIABLE, (_, inner: string) => variable(inner)),
    );
  }
  return { name, config, way: String(given.type ?? (given.command ? "stdio" : "url")), replaced };
}

// of the registry

const RUNNERS: Record<string, (identifier: string, version: string) => { command: string; args: string[] }> =
  {
    npm: (identifier, version) => ({
      command: "npx",
      args: ["-y", version ? `${identifier}@${version}` : identifier],
    }),
    pypi: (identifier, version) => ({
      command: "uvx",
      args: [version ? `${identifier}@${version}` : identifier],
    }),
    oci: (identifier, version) => ({
      command: "docker",
      args: [
        "run",
        "-i",
        "--rm",
        version && !identifier.includes(":") ? `${identifier}:${version}` : identifier,
      ],
    }),
  };

function ofRegistry(document: Config): Offer[] {
  const name =
    String(document.name ?? "server")
      .split("/")
      .at(-1) || "server";
  const about = typeof document.description === "string" ? { description: document.description } : {};
  const remotes = list(document.remotes).map((remote) => {
    const slots: Config = {};
    const headers = inputs(list(remote.headers), slots, name);
    return offer(name, String(remote.type ?? "streamable-http"), {
      type: remote.type === "sse" ? "sse" : "streamable-http",
      url: String(remote.url ?? ""),
      ...(Object.keys(headers).length > 0 ? { headers } : {}),
      ...about,
      ...ours(slots),
    });
  });
  const packages = list(document.packages).flatMap((each) => {
    const kind = String(each.registryType ?? each.registry_name ?? "");
    const runner = RUNNERS[kind];
    if (!runner) return [];
    const slots: Config = {};
    const { command, args } = runner(String(each.identifier ?? each.name ?? ""), String(each.version ?? ""));
    const env = inputs(list(each.environmentVariables ?? each.environment_variables), slots);
    const before = list(each.runtimeArguments).flatMap(argument);
    const after = list(each.packageArguments).flatMap(argument);
    const [last = "", ...front] = [...args].reverse();
    return [
      offer(name, kind, {
        command,
        args: [...front.reverse(), ...before, last, ...after],
        ...(Object.keys(env).length > 0 ? { env } : {}),
        ...about,
        ...ours(slots),
      }),
    ];
  });
  return [...remotes, ...packages];
}

const offer = (name: string, way: string, config: Config): Offer => ({ name, way, config, replaced: [] });

/** Named inputs as a map; what is secret, or has no value, is asked of each user, and how is noted in `slots`. */
function inputs(given: Config[], slots: Config, prefix = ""): Record<string, string> {
  return Object.fromEntries(
    given.map((input) => {
      const name = String(input.name ?? "");
      const fixed = input.value ?? (input.isSecret ? undefined : input.default);
      if (fixed !== undefined && !/\{[^}]+\}/.test(String(fixed))) return [name, String(fixed)];
      const asked = variable(prefix ? `${prefix}_${name}` : name);
      slots[asked.slice("${USER_".length, -1)] = {
        ...(typeof input.description === "string" ? { description: input.description } : {}),
        ...(input.isRequired === true ? {} : { required: false }),
        ...(input.isSecret === true ? {} : { isSecret: false }),
      };
      // "Bearer {token}": the user gives what is in the braces.
      return [name, fixed === undefined ? asked : String(fixed).replace(/\{[^}]+\}/, asked)];
    }),
  );
}

function argument(given: Config): string[] {
  const value = String(given.value ?? given.default ?? "");
  if (given.type !== "named") return value ? [value] : [];
  return [String(given.name ?? ""), ...(value ? [value] : [])];
}

const ours = (slots: Config) => (Object.keys(slots).length > 0 ? { mcphub: { slots } } : {});

// small things

function variable(name: string): string {
  const plain = name
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]+/g, "_")
    .replaceAll(/^_+|_+$/g, "");
  return `\${USER_${plain.replace(/^USER_/, "") || "TOKEN"}}`;
}

const isObject = (value: unknown): value is Config =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const list = (value: unknown): Config[] => (Array.isArray(value) ? value.filter(isObject) : []);

function looksLikeServers(value: Config): boolean {
  const entries = Object.values(value);
  return (
    entries.length > 0 &&
    entries.every((one) => isObject(one) && ("command" in one || "url" in one || "openapi" in one))
  );
}
