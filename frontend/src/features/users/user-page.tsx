import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useRouter } from "@tanstack/react-router";
import { ChevronLeft } from "lucide-react";
import { useEffect, useState } from "react";
import type { Dossier } from "@/api/schema.gen";
import { userQuery } from "@/api/users";
import { useFormat } from "@/app/look";
import { useMe } from "@/app/session";
import { Page } from "@/components/page";
import { Avatar } from "@/components/person";
import { Loaded, SkeletonCards } from "@/components/states";
import { Time } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { Button, buttonLook } from "@/components/ui/button";
import { Notice } from "@/components/ui/notice";
import { TabPanel, Tabs } from "@/components/ui/tabs";
import { useMessages } from "@/i18n";
import { usersTexts } from "@/i18n/users";
import { AccessTab } from "./access-tab";
import { useUserCommands } from "./commands";
import { type Asked, UserDialogs } from "./dialogs";
import { GroupsTab } from "./groups-tab";
import { KeysTab } from "./keys-tab";
import { guardsOf } from "./model";
import { SessionsTab } from "./sessions-tab";
import { Roles, StateBadge } from "./standing";
import { UserMenu } from "./user-menu";
import { VariablesTab } from "./variables-tab";

const route = getRouteApi("/_app/admin/users/$userId");

/** One user: what they have, what they see, and what can be done. */
export function UserPage() {
  const m = useMessages(usersTexts);
  const { userId } = route.useParams();
  const query = useQuery(userQuery(userId));
  return (
    <Page
      title={query.data ? <span data-name>{query.data.user.username}</span> : m.users.oneTitle}
      subtitle={
        <Link to="/admin/users" className="inline-flex items-center gap-1 hover:underline">
          <ChevronLeft className="size-3.5" aria-hidden />
          {m.users.title}
        </Link>
      }
      end={query.data ? <Actions dossier={query.data} /> : null}
    >
      <Loaded query={query} skeleton={<SkeletonCards />}>
        {(dossier) => <Details dossier={dossier} />}
      </Loaded>
    </Page>
  );
}

function Actions({ dossier: { user, onlyAdmin, invited } }: { dossier: Dossier }) {
  const m = useMessages(usersTexts);
  const me = useMe();
  const navigate = route.useNavigate();
  const commands = useUserCommands();
  const [asked, setAsked] = useState<Asked | null>(null);
  const guard = guardsOf(user, me, onlyAdmin).deactivate;
  const gone = commands.erase.isSuccess;
  useEffect(() => {
    if (gone) void navigate({ to: "/admin/users", search: { view: "deleted" }, replace: true });
  }, [gone, navigate]);
  return (
    <>
      <Link to="/admin/access" search={{ user: user.id }} className={buttonLook({ tone: "plain" })}>
        {m.users.whatTheySee}
      </Link>
      {user.state === "deleted" ? (
        <Button onClick={() => commands.restore.mutate(user)}>{m.users.restore}</Button>
      ) : user.isActive ? (
        <Button
          disabled={guard !== undefined}
          title={guard && m.errors.codes[guard]}
          onClick={() => setAsked({ what: "deactivate", user })}
        >
          {m.users.deactivate}
        </Button>
      ) : (
        <Button tone="primary" onClick={() => commands.setActive.mutate({ user, active: true })}>
          {m.users.activate}
        </Button>
      )}
      <UserMenu user={user} onlyAdmin={onlyAdmin} invited={invited} commands={commands} onAsk={setAsked} />
      <UserDialogs asked={asked} commands={commands} onDone={() => setAsked(null)} />
    </>
  );
}

function Details({ dossier }: { dossier: Dossier }) {
  const m = useMessages(usersTexts);
  const format = useFormat();
  const me = useMe();
  const { tab = "access" } = route.useSearch();
  const navigate = route.useNavigate();
  const { user } = dossier;
  const guard = guardsOf(user, me, dossier.onlyAdmin).deactivate;
  const count = (name: string, value: number) => `${name} ${format.number(value)}`;
  const set = dossier.variables.flatMap(({ slots }) => slots).filter(({ configured }) => configured).length;
  const tabs = [
    { value: "access" as const, label: m.users.tabs.access },
    { value: "keys" as const, label: count(m.users.tabs.keys, user.keyCount) },
    { value: "groups" as const, label: count(m.users.tabs.groups, dossier.groups.length) },
    { value: "variables" as const, label: count(m.users.tabs.variables, set) },
    {
      value: "sessions" as const,
      label: count(m.users.tabs.sessions, dossier.sessions.length + dossier.connections),
    },
  ];
  return (
    <>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1.5 pb-2 text-ink-2">
        <span className="flex items-center gap-2">
          <Avatar name={user.username} url={user.avatarUrl} admin={user.isAdmin} className="size-6" />
          <StateBadge state={user.state} />
          <Roles user={user} />
          {user.id === me.id ? <Badge tone="accent">{m.users.you}</Badge> : null}
        </span>
        {user.displayName ? <span data-name>{user.displayName}</span> : null}
        {user.email ? <span className="font-mono text-xs">{user.email}</span> : null}
        <span className="text-sm">
          {m.users.columns.from} {user.provider === "local" ? m.users.local : user.provider}
        </span>
        <span className="text-sm">
          {m.users.columns.joined} <Time at={user.createdAt} as="date" />
        </span>
        <span className="text-sm">
          {m.users.columns.seen} {user.lastSeenAt ? <Time at={user.lastSeenAt} /> : m.common.never}
        </span>
        <ActivityLinks userId={user.id} name={user.username} />
      </div>
      {guard && user.isActive ? <Notice className="mb-2">{m.errors.codes[guard]}</Notice> : null}
      {dossier.invited && user.state !== "deleted" ? (
        <Notice tone="warn" className="mb-2">
          {m.users.noPassword}
        </Notice>
      ) : null}
      <Tabs
        label={m.users.oneTitle}
        value={tab}
        onChange={(wanted) => void navigate({ search: wanted === "access" ? {} : { tab: wanted } })}
        tabs={tabs}
      >
        <TabPanel value="access">
          <AccessTab user={user} />
        </TabPanel>
        <TabPanel value="keys">
          <KeysTab dossier={dossier} />
        </TabPanel>
        <TabPanel value="groups">
          <GroupsTab groups={dossier.groups} />
        </TabPanel>
        <TabPanel value="variables">
          <VariablesTab servers={dossier.variables} />
        </TabPanel>
        <TabPanel value="sessions">
          <SessionsTab dossier={dossier} />
        </TabPanel>
      </Tabs>
    </>
  );
}

/** To what the user did, on the pages that this hub has. */
function ActivityLinks({ userId, name }: { userId: string; name: string }) {
  const m = useMessages(usersTexts);
  const router = useRouter();
  const links = [
    { path: "/admin/audit", text: m.users.audited, q: `user:${name}` },
    { path: "/admin/requests", text: m.users.requested, q: `user:${name}` },
  ].filter(({ path }) => path in router.routesByPath);
  return links.map(({ path, text, q }) => (
    <a
      key={path}
      href={`${path}?${new URLSearchParams({ q })}`}
      data-user={userId}
      className="text-accent text-sm underline"
    >
      {text}
    </a>
  ));
}
