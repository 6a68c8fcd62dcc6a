import { ExternalLink } from "lucide-react";
import { useState } from "react";
import type { IssuedKey } from "@/api/schema.gen";
import { buttonLook } from "@/components/ui/button";
import { CodeBlock } from "@/components/ui/code-block";
import { TabPanel, Tabs } from "@/components/ui/tabs";
import { type Messages, useMessages } from "@/i18n";
import { rich } from "@/i18n/rich";
import { CLIENTS, type ClientName, FILES, keyInUrl, masked, snippet } from "./model";

interface ClientConfigProps {
  issued: IssuedKey | null;
  shown: boolean;
  url: string;
}

/** What to paste, for each client. */
export function ClientConfig({ issued, shown, url }: ClientConfigProps) {
  const m = useMessages();
  const [to, setTo] = useState<ClientName>("cursor");
  const key = issued?.keyValue;
  const placeholder = `<${m.connect.yourKey.toLowerCase()}>`;
  const text = (key_: string) => snippet(to, url, key_);
  const code = (
    <CodeBlock
      key={to}
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
      tabs={CLIENTS.map((name) => ({ value: name, label: m.connect.tabs[name] }))}
    >
      <TabPanel value={to} className="flex flex-col gap-2.5 pt-3">
        <Lead to={to} m={m} link={issued?.deepLink} url={url} />
        {code}
        {to === "other" && issued ? <Legacy issued={issued} shown={shown} m={m} /> : null}
        {key === undefined ? <p className="text-ink-3 text-xs">{rich(m.connect.placeholderHint)}</p> : null}
      </TabPanel>
    </Tabs>
  );
}

interface LeadProps {
  to: ClientName;
  m: Messages;
  link: string | undefined;
  url: string;
}

function Lead({ to, m, link, url }: LeadProps) {
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
            {m.connect.address} <code>{url}/mcp</code>
          </span>
          <span>{rich(m.connect.oneServer)}</span>
          <span>{m.connect.header}</span>
        </div>
      ) : null}
    </div>
  );
}

function Legacy({ issued, shown, m }: { issued: IssuedKey; shown: boolean; m: Messages }) {
  const address = keyInUrl(issued);
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
