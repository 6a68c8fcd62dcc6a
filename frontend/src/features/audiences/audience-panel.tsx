import { useQuery } from "@tanstack/react-query";
import { Link, useRouter } from "@tanstack/react-router";
import { useState } from "react";
import { explain } from "@/api/problem";
import type { ServerView } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { Rehearsal } from "@/components/rehearsal";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, CardHead } from "@/components/ui/card";
import { Notice } from "@/components/ui/notice";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/i18n";
import { audiencesTexts } from "@/i18n/audiences";
import { rich } from "@/i18n/rich";
import { audienceOf, count, MEMBERS, same, type Whom, whomOf } from "./model";
import { NamesField } from "./names-field";
import { reachQuery, useSetAudience } from "./queries";

/** Whom one server is for, to be changed; says whom a change would cut off before it is saved. */
export function AudiencePanel({ server }: { server: ServerView }) {
  const m = useMessages(audiencesTexts);
  const router = useRouter();
  const now = whomOf(server);
  // What is typed, and the version it was typed over; null while nothing is.
  const [draft, setDraft] = useState<{ whom: Pick<Whom, "everyone" | "named">; version: number } | null>(
    null,
  );
  const save = useSetAudience(server.name);
  const whom = draft?.whom ?? now;
  const changed = draft !== null && !same(draft.whom, now);
  const change = (wanted: Partial<Whom>) =>
    setDraft({
      whom: { everyone: whom.everyone, named: whom.named, ...wanted },
      version: draft?.version ?? server.version,
    });
  const revert = () => {
    setDraft(null);
    save.reset();
  };
  const outdated = draft !== null && draft.version !== server.version;
  return (
    <Card aria-label={server.name} className="self-start">
      <CardHead
        title={<span className="font-mono text-base">{server.name}</span>}
        end={
          <Link to="/servers/$name" params={{ name: server.name }} className="text-accent text-sm underline">
            {m.audiences.openServer}
          </Link>
        }
      />
      <div className="flex flex-col gap-3 border-line border-t p-3.5">
        {now.kind === "private" ? (
          <Notice
            tone="warn"
            end={
              "/admin/config" in router.routesByPath ? (
                <a href="/admin/config" className="underline">
                  {m.audiences.editSettings}
                </a>
              ) : null
            }
          >
            {rich(now.owner ? m.audiences.privateText(now.owner) : m.audiences.privateNobody)}
          </Notice>
        ) : null}
        <div>
          <Segmented
            label={m.audiences.whom}
            value={whom.everyone ? "everyone" : "named"}
            onChange={(wanted) => change({ everyone: wanted === "everyone" })}
            options={[
              { value: "everyone", label: m.audiences.everyone },
              { value: "named", label: m.audiences.kinds.named },
            ]}
          />
        </div>
        {whom.everyone ? null : (
          <>
            <p className="text-ink-2">{m.audiences.onlyNamed}</p>
            {MEMBERS.map((member) => (
              <NamesField
                key={member}
                member={member}
                names={whom.named[member]}
                onChange={(names) => change({ named: { ...whom.named, [member]: names } })}
              />
            ))}
            {count(whom.named) === 0 ? <Notice tone="warn">{m.audiences.nobodyText}</Notice> : null}
          </>
        )}
        <ReachOf server={server} whom={whom} />
        {changed ? (
          <Rehearsal change={{ audience: { server: server.name, audience: audienceOf(whom) } }} />
        ) : null}
        {outdated && changed ? <Notice tone="warn">{m.errors.codes.version_mismatch}</Notice> : null}
        {save.error ? (
          <Notice tone="bad" announce>
            {explain(save.error, m)}
          </Notice>
        ) : null}
        <div className="flex justify-end gap-2">
          <Button size="md" disabled={!changed} onClick={revert}>
            {m.common.revert}
          </Button>
          <Button
            size="md"
            tone="primary"
            disabled={!changed}
            busy={save.isPending}
            onClick={() =>
              draft &&
              save.mutate({ audience: audienceOf(draft.whom), version: draft.version }, { onSuccess: revert })
            }
          >
            {m.common.save}
          </Button>
        </div>
      </div>
    </Card>
  );
}

function ReachOf({ server, whom }: { server: ServerView; whom: Pick<Whom, "everyone" | "named"> }) {
  const m = useMessages(audiencesTexts);
  const format = useFormat();
  const { data } = useQuery(reachQuery(server.name, server.version, audienceOf(whom)));
  if (!data) return null;
  return (
    <div className="flex flex-col gap-2" aria-live="polite">
      <p className="flex flex-wrap items-center gap-2">
        <b>{m.audiences.reaches(format.number(data.reaches), format.number(data.of))}</b>
        {data.gains > 0 ? <Badge tone="ok">{m.audiences.gains(format.number(data.gains))}</Badge> : null}
        {data.loses > 0 ? <Badge tone="bad">{m.audiences.loses(format.number(data.loses))}</Badge> : null}
      </p>
      {data.lost.length > 0 ? (
        <Notice tone="warn">
          {rich(m.audiences.lost(`${data.lost.join(", ")}${data.loses > data.lost.length ? ", …" : ""}`))}
        </Notice>
      ) : null}
      {data.unknownUsers.length > 0 ? (
        <Notice tone="warn">{rich(m.audiences.unknown(data.unknownUsers.join(", ")))}</Notice>
      ) : null}
    </div>
  );
}
