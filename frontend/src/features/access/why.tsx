import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type AskedWhy, whyQuery } from "@/api/access";
import { useFormat } from "@/app/look";
import { useReason } from "@/components/access-list";
import { Loaded, SkeletonRows } from "@/components/states";
import { Time } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Popover } from "@/components/ui/popover";
import { useMessages } from "@/i18n";
import { accessTexts } from "@/i18n/access";
import { rich } from "@/i18n/rich";

/** The reason of one decision, and the event since which it is that. */
export function Why({ asked }: { asked: AskedWhy }) {
  const m = useMessages(accessTexts);
  const what = m.access.whyOf(asked.tool ? `${asked.server} · ${asked.tool}` : asked.server);
  return (
    <Popover
      label={what}
      align="end"
      className="max-w-80"
      trigger={
        <Button tone="ghost" aria-label={what}>
          {m.access.why}
        </Button>
      }
    >
      <Explained asked={asked} />
    </Popover>
  );
}

function Explained({ asked }: { asked: AskedWhy }) {
  const m = useMessages(accessTexts);
  const format = useFormat();
  const said = useReason();
  const query = useQuery(whyQuery(asked));
  return (
    <Loaded query={query} skeleton={<SkeletonRows rows={2} />}>
      {({ reason, since, missing, server, tool }) => (
        <div className="flex flex-col gap-1.5 text-sm">
          <p className="font-medium">{said(reason)}</p>
          {missing.length > 0 ? <Badge tone="warn">{m.access.missing(missing.join(", "))}</Badge> : null}
          {since ? (
            <p className="text-ink-2">
              {m.access.since} <Time at={since.at} />,{" "}
              {rich(m.access.by(since.actorName.replace(/[`<>]/g, "")))}
              <br />
              <Link
                to="/admin/audit/$position"
                params={{ position: String(since.position) }}
                className="text-accent underline"
              >
                {m.access.because(format.number(since.position))}
              </Link>{" "}
              <code className="text-xs">{since.type}</code>
            </p>
          ) : (
            <p className="text-ink-3">{m.access.always}</p>
          )}
          <Link
            to="/admin/who-could"
            search={{ server, ...(tool ? { tool } : {}), ...(asked.at ? { at: asked.at } : {}) }}
            className="text-accent underline"
          >
            {m.access.whoElse}
          </Link>
        </div>
      )}
    </Loaded>
  );
}
