import type { ReactNode } from "react";
import { useMe } from "@/app/session";
import { Time } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { Card, CardHead } from "@/components/ui/card";
import { useMessages } from "@/i18n";
import { profileTexts } from "@/i18n/profile";

/** Who the hub takes the reader for. */
export function AccountCard() {
  const m = useMessages(profileTexts);
  const me = useMe();
  const role = me.isAdmin ? "admin" : me.isAuditor ? "auditor" : "user";
  const provider =
    me.provider in m.profile.providers ? m.profile.providers[me.provider as "github"] : me.provider;
  const facts: [string, ReactNode][] = [
    [m.profile.provider, provider],
    [m.profile.role, <Badge key="role">{m.shell.role[role]}</Badge>],
    [m.profile.since, <Time key="since" at={me.createdAt} as="date" />],
    [m.profile.lastLogin, me.lastLoginAt ? <Time key="last" at={me.lastLoginAt} /> : m.common.never],
  ];
  if (me.email)
    facts.unshift([
      m.profile.email,
      <span key="mail" className="font-mono text-sm" data-name>
        {me.email}
      </span>,
    ]);
  return (
    <Card aria-label={m.profile.account}>
      <CardHead title={<span data-name>{me.displayName || me.username}</span>} detail={me.username} />
      <dl className="flex flex-wrap gap-x-8 gap-y-2 border-line border-t px-3.5 py-2.5">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt className="text-2xs text-ink-3">{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}
