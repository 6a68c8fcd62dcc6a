import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Boxes, Plus } from "lucide-react";
import { useMemo, useRef } from "react";
import type { GroupView, ServerView } from "@/api/schema.gen";
import { useCommands } from "@/app/commands";
import { Page } from "@/components/page";
import { EmptyState, Loaded, SkeletonRows } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Card, CardHead } from "@/components/ui/card";
import { SearchInput } from "@/components/ui/input";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/i18n";
import { groupsTexts } from "@/i18n/groups";
import { useShortcut } from "@/lib/shortcuts";
import { useFocusBack } from "@/lib/use-focus-back";
import { AccessPreview } from "./access-preview";
import { useGroupCommands } from "./commands";
import { GroupForm } from "./group-form";
import { GroupsTable } from "./groups-table";
import { narrowed } from "./model";
import { choicesQuery, groupsQuery } from "./queries";
import { RuleLine } from "./rule-line";

const route = getRouteApi("/_app/user-groups/");

/** One's own groups of servers, which of them are on, and what comes of it. */
export function GroupsPage() {
  const m = useMessages(groupsTexts);
  const { q = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const groups = useQuery(groupsQuery);
  const servers = useQuery(choicesQuery);
  const both = {
    data: groups.data && servers.data ? { groups: groups.data, servers: servers.data } : undefined,
    error: groups.error ?? servers.error,
    isPending: groups.isPending || servers.isPending,
    refetch: () => Promise.all([groups.refetch(), servers.refetch()]),
  };
  const opener = useRef<HTMLButtonElement>(null);
  useFocusBack(route.useSearch().make === true, () => opener.current);
  const start = () => void navigate({ search: (before) => ({ ...before, make: true }) });
  useCommands(
    useMemo(
      () => [
        {
          id: "groups.make",
          name: m.groups.make,
          run: () => void navigate({ search: (before) => ({ ...before, make: true }) }),
        },
      ],
      [m, navigate],
    ),
  );

  return (
    <Page
      title={m.groups.title}
      subtitle={m.groups.subtitle}
      end={
        <>
          {(groups.data?.length ?? 0) > 0 ? (
            <SearchInput
              value={q}
              placeholder={m.groups.find}
              className="w-64 max-sm:w-full"
              onChange={(wanted) =>
                void navigate({
                  search: ({ q: _, ...rest }) => (wanted ? { ...rest, q: wanted } : rest),
                  replace: true,
                })
              }
            />
          ) : null}
          <Button ref={opener} tone="primary" size="md" onClick={start}>
            <Plus aria-hidden />
            {m.groups.make}
          </Button>
        </>
      }
    >
      <Loaded query={both} skeleton={<SkeletonRows rows={8} />}>
        {(found) => <Groups {...found} onMake={start} />}
      </Loaded>
    </Page>
  );
}

interface GroupsProps {
  groups: GroupView[];
  servers: ServerView[];
  onMake: () => void;
}

function Groups({ groups, servers, onMake }: GroupsProps) {
  const m = useMessages(groupsTexts);
  const { q = "", e = "", make: making = false } = route.useSearch();
  const navigate = route.useNavigate();
  const commands = useGroupCommands();
  const chosen = groups.find(({ id }) => id === e) ?? null;
  const select = (id: string) =>
    void navigate({ search: ({ e: _, ...rest }) => (id ? { ...rest, e: id } : rest), replace: true });
  const stop = () => {
    commands.make.reset();
    void navigate({ search: ({ make: _, ...rest }) => rest, replace: true });
  };
  useShortcut("Escape", () => select(""), chosen !== null);

  return (
    <div className="flex flex-col gap-3">
      <RuleLine groups={groups} servers={servers} />
      <div className="grid items-start gap-3 xl:grid-cols-[minmax(0,1fr)_400px]">
        <div className="flex min-w-0 flex-col gap-3">
          {making ? (
            <Card aria-label={m.groups.make} className="p-3.5 pt-1">
              <CardHead title={m.groups.make} className="px-0" />
              <GroupForm
                first={{ name: "", description: "", servers: [] }}
                servers={servers}
                action={m.groups.make}
                autoFocus
                busy={commands.make.isPending}
                error={commands.make.error}
                onSave={(draft) => commands.make.mutate({ ...draft, isActive: true }, { onSuccess: stop })}
                onCancel={stop}
              />
            </Card>
          ) : null}
          {groups.length === 0 ? (
            making ? null : (
              <Card>
                <EmptyState
                  icon={<Boxes aria-hidden />}
                  title={m.groups.empty}
                  action={
                    <Button tone="primary" size="md" onClick={onMake}>
                      {m.groups.make}
                    </Button>
                  }
                >
                  {m.groups.emptyText}
                </EmptyState>
              </Card>
            )
          ) : (
            <Card className="overflow-hidden">
              <GroupsTable
                groups={groups}
                found={narrowed(groups, q)}
                servers={servers}
                commands={commands}
                selected={chosen?.id ?? null}
                onSelect={select}
                onClearSearch={() => void navigate({ search: ({ q: _, ...rest }) => rest, replace: true })}
              />
            </Card>
          )}
        </div>
        <AccessPreview
          groups={chosen ? [chosen.id] : null}
          servers={servers}
          choice={
            chosen ? (
              <Segmented
                label={m.groups.previewOf}
                value="only"
                options={[
                  { value: "now", label: m.groups.previewNow },
                  { value: "only", label: m.groups.previewOnly(chosen.name) },
                ]}
                onChange={(wanted) => wanted === "now" && select("")}
                className="h-7 max-w-64 [&_button]:truncate"
              />
            ) : null
          }
        />
      </div>
    </div>
  );
}
