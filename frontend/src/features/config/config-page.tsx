import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { History, Import, WrapText } from "lucide-react";
import { lazy, Suspense, useMemo, useRef, useState } from "react";
import type { SettingsFile } from "@/api/schema.gen";
import { serversQuery } from "@/api/servers";
import { useCommands } from "@/app/commands";
import { useFormat } from "@/app/look";
import { LeaveGuard } from "@/components/leave-guard";
import { Page } from "@/components/page";
import { Loaded, SkeletonRows } from "@/components/states";
import { Time } from "@/components/time";
import { Button, buttonLook } from "@/components/ui/button";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/i18n";
import { configTexts } from "@/i18n/config";
import { useShortcut } from "@/lib/shortcuts";
import { NewerVersion } from "./conflict";
import type { EditorHandle } from "./editor";
import { ImportDialog } from "./import-dialog";
import { printDocument } from "./json-tree";
import { outlineOf, variablesIn } from "./model";
import { Outline } from "./outline";
import { fileQuery, hubVariablesQuery, newestQuery } from "./queries";
import { RecordPanel } from "./record-panel";
import { useExplain } from "./said";
import { SaveBar } from "./save-bar";
import { type Draft, useDraft } from "./use-draft";

const Editor = lazy(() => import("./editor").then((part) => ({ default: part.Editor })));
const SideBySide = lazy(() => import("./editor").then((part) => ({ default: part.SideBySide })));
const route = getRouteApi("/_app/admin/config/");

/** `mcp_settings.json`, edited; what a save records is shown before it. */
export function ConfigPage() {
  const m = useMessages(configTexts);
  const file = useQuery(fileQuery);
  return (
    <Loaded
      query={file}
      skeleton={
        <Page title={m.config.title}>
          <SkeletonRows rows={18} />
        </Page>
      }
    >
      {(present) => <Edited file={present} />}
    </Loaded>
  );
}

function Edited({ file }: { file: SettingsFile }) {
  const m = useMessages(configTexts);
  const { view = "inline" } = route.useSearch();
  const navigate = route.useNavigate();
  const draft = useDraft(file);
  const [importing, setImporting] = useState(false);
  const format = () => draft.tree && draft.change(printDocument(draft.tree));
  useCommands(
    useMemo(() => [{ id: "config-import", name: m.config.importTitle, run: () => setImporting(true) }], [m]),
  );
  return (
    <Page
      title={m.config.title}
      subtitle={<Subtitle version={draft.seen.version} />}
      className="lg:h-0 lg:min-h-[28rem]"
      end={
        <>
          <Segmented
            label={m.config.view}
            value={view}
            onChange={(wanted) =>
              void navigate({
                search: (now) => ({ ...now, view: wanted }),
                replace: true,
                resetScroll: false,
              })
            }
            options={[
              { value: "text", label: m.config.views.text },
              { value: "inline", label: m.config.views.inline },
              { value: "side", label: m.config.views.side },
            ]}
          />
          <Button size="md" onClick={format} disabled={draft.tree === null} title={m.config.formatHint}>
            <WrapText aria-hidden />
            {m.config.format}
          </Button>
          <Button size="md" onClick={() => setImporting(true)}>
            <Import aria-hidden />
            {m.config.import}
          </Button>
          <Link to="/admin/config/history" className={buttonLook({ size: "md" })}>
            <History className="size-4" aria-hidden />
            {m.config.history}
          </Link>
        </>
      }
    >
      {draft.newer ? <NewerVersion draft={draft} theirs={draft.newer} /> : null}
      <Workbench draft={draft} view={view} />
      <ImportDialog open={importing} onOpenChange={setImporting} tree={draft.tree} onTake={draft.change} />
      <LeaveGuard dirty={draft.dirty} />
    </Page>
  );
}

function Subtitle({ version }: { version: number }) {
  const m = useMessages(configTexts);
  const format = useFormat();
  const newest = useQuery(newestQuery(version)).data?.[0];
  return (
    <>
      <code>mcp_settings.json</code> · {m.config.version(format.number(version))}
      {newest ? (
        <>
          {" "}
          · <span data-name>{newest.actorName}</span> <Time at={newest.at} />
        </>
      ) : null}
    </>
  );
}

function Workbench({ draft, view }: { draft: Draft; view: "text" | "inline" | "side" }) {
  const m = useMessages(configTexts);
  const { server = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const explain = useExplain();
  const servers = useQuery(serversQuery).data;
  const hub = useQuery(hubVariablesQuery).data;
  const editor = useRef<EditorHandle>(null);
  const rows = useMemo(
    () => outlineOf(draft.committed, draft.tree, draft.findings, servers ?? []),
    [draft.committed, draft.tree, draft.findings, servers],
  );
  const known = useMemo(
    () => ({
      schema: draft.schema ?? {},
      variables: [
        ...variablesIn(draft.text).map((name) => ({ name, detail: m.config.inUse })),
        ...(hub ?? [])
          .filter(({ name }) => !draft.text.includes(`\${${name}}`))
          .map(({ name }) => ({ name, detail: m.config.ofHub })),
      ],
    }),
    [draft.schema, draft.text, hub, m],
  );
  const show = (at: number) => editor.current?.show(at);
  useShortcut("/", () => show(0));
  return (
    <>
      <div className="grid gap-3 lg:min-h-0 lg:flex-1 lg:grid-cols-[184px_minmax(0,1fr)] xl:grid-cols-[184px_minmax(0,1fr)_320px]">
        <div className="flex min-h-0 flex-col max-lg:hidden">
          <Outline
            rows={rows}
            chosen={server}
            onChoose={({ name, at }) => {
              void navigate({
                search: (now) => ({ ...now, server: name }),
                replace: true,
                resetScroll: false,
              });
              if (at !== null) show(at);
            }}
          />
        </div>
        <div className="flex h-[60vh] min-h-0 flex-col overflow-hidden rounded-lg border border-line bg-surface lg:h-auto">
          <Suspense fallback={<SkeletonRows rows={18} />}>
            {view === "side" ? (
              <SideBySide
                before={draft.seen.text}
                after={draft.text}
                labels={[m.config.committed, m.config.document]}
                onChange={draft.change}
                className="flex-1"
              />
            ) : (
              <Editor
                text={draft.text}
                onChange={draft.change}
                committed={view === "inline" ? draft.seen.text : null}
                findings={draft.findings}
                explain={explain}
                known={known}
                onReady={(handle) => {
                  editor.current = handle;
                  const at = rows.find(({ name }) => name === server)?.at;
                  if (at) handle.show(at);
                }}
                className="flex-1"
              />
            )}
          </Suspense>
        </div>
        <div className="scroll-thin overflow-y-auto rounded-lg border lg:min-h-0 border-line bg-surface p-3 lg:max-xl:col-span-2 lg:max-xl:max-h-64">
          <RecordPanel draft={draft} explain={explain} onShow={show} />
        </div>
      </div>
      <SaveBar draft={draft} />
    </>
  );
}
