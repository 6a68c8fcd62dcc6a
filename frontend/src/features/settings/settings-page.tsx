import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { KeyRound } from "lucide-react";
import { useEffect, useState } from "react";
import { LeaveGuard } from "@/components/leave-guard";
import { Page } from "@/components/page";
import { EmptyState, Loaded, SkeletonCards } from "@/components/states";
import { Button } from "@/components/ui/button";
import { SearchInput } from "@/components/ui/input";
import { useMessages } from "@/i18n";
import { settingsTexts } from "@/i18n/settings";
import { useShortcut } from "@/lib/shortcuts";
import { useSettingsCommands } from "./commands";
import { changes, type Draft, narrowed, type Section } from "./model";
import { sectionsQuery } from "./queries";
import { SectionCard } from "./section-card";
import { ServerList } from "./server-list";
import { UnsavedBar } from "./unsaved-bar";

const route = getRouteApi("/_app/settings/");

/** One's own values for the servers, by server. */
export function SettingsPage() {
  const m = useMessages(settingsTexts);
  const { q = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const sections = useQuery(sectionsQuery);
  const find = (wanted: string) =>
    void navigate({ search: wanted ? { q: wanted } : {}, replace: true, hash: true, resetScroll: false });
  return (
    <Page
      width="form"
      title={m.settings.title}
      subtitle={m.settings.subtitle}
      end={<SearchInput value={q} onChange={find} placeholder={m.settings.find} className="w-64" />}
    >
      <Loaded query={sections} skeleton={<SkeletonCards />}>
        {(all) =>
          all.length === 0 ? (
            <EmptyState icon={<KeyRound aria-hidden />} title={m.settings.empty}>
              {m.settings.emptyText}
            </EmptyState>
          ) : (
            <Form shown={narrowed(all, q)} onClear={() => find("")} />
          )
        }
      </Loaded>
    </Page>
  );
}

function Form({ shown, onClear }: { shown: Section[]; onClear: () => void }) {
  const m = useMessages(settingsTexts);
  const [draft, setDraft] = useState<Draft>({});
  const commands = useSettingsCommands(() => setDraft({}));
  const { save } = commands;
  const dirty = changes(draft).length > 0;
  useShortcut("mod+s", () => dirty && !save.isPending && save.mutate(draft));
  useScrollToHash();

  return (
    <div className="grid items-start gap-x-6 lg:grid-cols-[196px_minmax(0,1fr)]">
      <ServerList sections={shown} draft={draft} />
      <div className="flex min-w-0 flex-col gap-3 pb-14">
        {shown.map((section) => (
          <SectionCard
            key={section.server}
            section={section}
            draft={draft}
            onDraft={setDraft}
            commands={commands}
          />
        ))}
        {shown.length === 0 ? (
          <EmptyState
            title={m.settings.noMatch}
            action={<Button onClick={onClear}>{m.common.clearSearch}</Button>}
          />
        ) : null}
      </div>
      {dirty ? (
        <UnsavedBar
          draft={draft}
          save={save}
          onRevert={() => {
            save.reset();
            setDraft({});
          }}
        />
      ) : null}
      <LeaveGuard dirty={dirty} />
    </div>
  );
}

/** Other pages, errors of clients among them, lead to one server: `/settings#jira`. */
function useScrollToHash(): void {
  useEffect(() => {
    const id = decodeURIComponent(window.location.hash.slice(1));
    if (id) document.getElementById(id)?.scrollIntoView();
  }, []);
}
