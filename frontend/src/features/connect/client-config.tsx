import { useQuery } from "@tanstack/react-query";
import { ExternalLink } from "lucide-react";
import { useState } from "react";
import type { IssuedKey } from "@/api/schema.gen";
import { serversQuery } from "@/api/servers";
import { buttonLook } from "@/components/ui/button";
import { CodeBlock } from "@/components/ui/code-block";
import { Select } from "@/components/ui/select";
import { TabPanel, Tabs } from "@/components/ui/tabs";
import { type MessagesWith, useMessages } from "@/i18n";
import { connectTexts } from "@/i18n/connect";
import { rich } from "@/i18n/rich";
import { addressOf, CLIENTS, type ClientName, deepLink, FILES, keyInUrl, masked, snippet } from "./model";

interface ClientConfigProps {
  issued: IssuedKey | null;
  shown: boolean;
  url: string;
  /** The slug of the only server it is for; "" for all. */
  server: string;
  onServer: (slug: string) => void;
}

/** What to paste, for each client. */
export function ClientConfig({ issued, shown, url, server, onServer }: ClientConfigProps) {
  const m = useMessages(connectTexts);
  const [to, setTo] = useState<ClientName>("cursor");
  const key = issued?.keyValue;
  const placeholder = `<${m.connect.yourKey.toLowerCase()}>`;
  const text = (key_: string) => snippet(to, url, key_, server);
  const code = (
    <CodeBlock
      key={`${to} ${server}`}
      label={m.connect.tabs[to]}
      text={text(key ?? placeholder)}
      shown={text(key === undefined ? placeholder : shown ? key : masked(key))}
    />
  );
  return (
    <Tabs
      label={m.connect.steps.client}
      value={to}
      onChange={setTo}
      end={<ServerChoice server={server} onServer={onServer} />}
      tabs={CLIENTS.map((name) => ({ value: name, label: m.connect.tabs[name] }))}
    >
      <TabPanel value={to} className="flex flex-col gap-2.5 pt-3">
        <Lead
          to={to}
          m={m}
          link={server !== "" && key !== undefined ? deepLink(url, key, server) : issued?.deepLink}
          address={addressOf(url, server)}
          whole={server === ""}
        />
        {code}
        {to === "other" && issued ? <Legacy issued={issued} shown={shown} server={server} m={m} /> : null}
        {key === undefined ? <p className="text-ink-3 text-xs">{rich(m.connect.placeholderHint)}</p> : null}
      </TabPanel>
    </Tabs>
  );
}

interface LeadProps {
  to: ClientName;
  m: MessagesWith<typeof connectTexts>;
  link: string | undefined;
  address: string;
  /** The address is that of all servers. */
  whole: boolean;
}

function Lead({ to, m, link, address, whole }: LeadProps) {
  const file = FILES[to];
  return (
    <div className="flex flex-wrap items-center gap-2 text-ink-2">
      {to === "cursor" && link ? (
        <a href={link} className={buttonLook({ tone: "primary", size: "md" })}>
          <ExternalLink aria-hidden />
          {m.connect.openInCursor}
        </a>
      ) : null}
      {file ? (
        <span>
          {rich(to === "cursor" && link ? m.connect.pasteInto(file) : m.connect.pasteIntoFile(file))}
        </span>
      ) : null}
      {to === "claude" ? <span>{m.connect.run}</span> : null}
      {to === "remote" ? <span>{m.connect.remoteHint}</span> : null}
      {to === "other" ? (
        <div className="flex w-full flex-col gap-2">
          <span>
            {m.connect.address} <code>{address}</code>
          </span>
          {whole ? <span>{rich(m.connect.oneServer)}</span> : null}
          <span>{m.connect.header}</span>
        </div>
      ) : null}
    </div>
  );
}

interface LegacyProps {
  issued: IssuedKey;
  shown: boolean;
  server: string;
  m: MessagesWith<typeof connectTexts>;
}

function Legacy({ issued, shown, server, m }: LegacyProps) {
  const address = keyInUrl(issued, server);
  const key = issued.keyValue;
  if (address === null || key === undefined) return null;
  return (
    <>
      <p className="text-ink-2">{m.connect.legacyHint}</p>
      <CodeBlock
        label={m.connect.address}
        text={address}
        shown={shown ? address : address.replace(key, masked(key))}
      />
    </>
  );
}

/** All servers, or one of those the reader sees at an address of its own. */
function ServerChoice({ server, onServer }: Pick<ClientConfigProps, "server" | "onServer">) {
  const m = useMessages(connectTexts);
  const { data: servers = [] } = useQuery(serversQuery);
  const options = servers
    .filter(({ visible, enabled, slug }) => (visible && enabled) || slug === server)
    .map(({ slug, name }) => ({ value: slug, label: name }));
  if (server !== "" && !options.some(({ value }) => value === server)) {
    options.push({ value: server, label: server });
  }
  return (
    <Select
      label={m.connect.which}
      value={server}
      options={[{ value: "", label: m.connect.allServers }, ...options]}
      onChange={onServer}
      className="mb-1 w-44 shrink-0 max-sm:w-30"
    />
  );
}
