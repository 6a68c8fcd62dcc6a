import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { ArrowLeft, Copy, Trash2 } from "lucide-react";
import { Problem } from "@/api/problem";
import type { GroupView, ServerView } from "@/api/schema.gen";
import { useToast } from "@/app/use-toast";
import { Page } from "@/components/page";
import { Loaded, SkeletonCards } from "@/components/states";
import { Time } from "@/components/time";
import { Button, buttonLook } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Notice } from "@/components/ui/notice";
import { Switch } from "@/components/ui/switch";
import { useMessages } from "@/i18n";
import { groupsTexts } from "@/i18n/groups";
import { rich } from "@/i18n/rich";
import { AccessPreview } from "./access-preview";
import { useGroupCommands } from "./commands";
import { GroupForm } from "./group-form";
import { copyName, draftOf, isChanged } from "./model";
import { choicesQuery, groupsQuery } from "./queries";

const route = getRouteApi("/_app/user-groups/$groupId");

/** One group: what it is called, what it holds, and what clients would list with it alone. */
export function GroupPage() {
  const m = useMessages(groupsTexts);
  const { groupId } = route.useParams();
  const groups = useQuery(groupsQuery);
  const servers = useQuery(choicesQuery);
  const group = groups.data?.find(({ id }) => id === groupId);
  const gone =
    groups.data && !group ? new Problem({ status: 404, code: "not_found", title: "No such group." }) : null;
  const both = {
    data: group && servers.data ? { group, groups: groups.data ?? [], servers: servers.data } : undefined,
    error: gone ?? groups.error ?? servers.error,
    isPending: groups.isPending || servers.isPending,
    refetch: () => Promise.all([groups.refetch(), servers.refetch()]),
  };
  return (
    <Page
      title={group ? <span data-name>{group.name}</span> : m.groups.title}
      subtitle={
        group ? (
          <>
            {m.groups.columns.changed} <Time at={group.updatedAt} />
          </>
        ) : undefined
      }
      end={
        <Link to="/user-groups" className={buttonLook({ tone: "ghost" })}>
          <ArrowLeft aria-hidden />
          {m.groups.back}
        </Link>
      }
    >
      <Loaded query={both} skeleton={<SkeletonCards cards={2} />}>
        {(found) => <Group {...found} />}
      </Loaded>
    </Page>
  );
}

interface GroupProps {
  group: GroupView;
  groups: GroupView[];
  servers: ServerView[];
}

function Group({ group, groups, servers }: GroupProps) {
  const m = useMessages(groupsTexts);
  const toast = useToast();
  const navigate = useNavigate();
  const { make, change, toggle, remove } = useGroupCommands({
    onRemoved: () => void navigate({ to: "/user-groups" }),
  });
  const duplicate = () => {
    const { name, description, servers: named, isActive } = group;
    make.mutate(
      { name: copyName(name, groups), description, servers: named, isActive },
      {
        onSuccess: ({ group: copy }) =>
          void navigate({ to: "/user-groups/$groupId", params: { groupId: copy.id } }),
        onError: toast.failed,
      },
    );
  };
  return (
    <div className="grid items-start gap-3 xl:grid-cols-[minmax(0,1fr)_400px]">
      <Card aria-label={group.name} className="min-w-0 p-3.5">
        <div className="mb-3 flex flex-wrap items-center gap-2">
          <Switch
            checked={group.isActive}
            label={m.groups.switch(group.name)}
            onChange={(on) => toggle.mutate({ group, on })}
          />
          <span aria-hidden>{group.isActive ? m.groups.isOn : m.groups.isOff}</span>
          <span className="flex-1" />
          <Button tone="ghost" busy={make.isPending} onClick={duplicate}>
            <Copy aria-hidden />
            {m.groups.duplicate}
          </Button>
          <Button tone="danger" busy={remove.isPending} onClick={() => remove.mutate(group)}>
            <Trash2 aria-hidden />
            {m.groups.delete}
          </Button>
        </div>
        {group.missingServers.length > 0 ? (
          <Notice tone="warn" className="mb-3">
            {rich(m.groups.missing(group.missingServers.join(", ")))}
          </Notice>
        ) : null}
        <GroupForm
          key={JSON.stringify(draftOf(group))} // not by time: what is typed outlives a switch
          first={draftOf(group)}
          servers={servers}
          action={m.common.save}
          busy={change.isPending}
          error={change.error}
          changed={(draft) => isChanged(draft, group)}
          onSave={(draft) => change.mutate({ id: group.id, draft })}
        />
      </Card>
      <AccessPreview groups={[group.id]} servers={servers} />
    </div>
  );
}
