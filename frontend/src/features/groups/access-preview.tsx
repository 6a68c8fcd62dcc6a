import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ChevronDown } from "lucide-react";
import { type ReactNode, useState } from "react";
import { myAccessQuery } from "@/api/my-access";
import type { ServerView } from "@/api/schema.gen";
import { useListTools } from "@/api/servers";
import { useFormat } from "@/app/look";
import { useToast } from "@/app/use-toast";
import { Loaded, SkeletonRows } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, CardHead } from "@/components/ui/card";
import { useMessages } from "@/i18n";
import { groupsTexts } from "@/i18n/groups";
import { cn } from "@/lib/cn";
import { type ShownServer, shownServers } from "./model";

interface AccessPreviewProps {
  /** Ids of groups, as if only these were on; null for those that are. */
  groups: string[] | null;
  servers: ServerView[];
  /** Between the title and the list: whose preview it is. */
  choice?: ReactNode;
}

/** Exactly what a client lists, by the gateway's own decision. */
export function AccessPreview({ groups, servers, choice }: AccessPreviewProps) {
  const m = useMessages(groupsTexts);
  const format = useFormat();
  const access = useQuery(myAccessQuery("/mcp", groups));
  return (
    <Card aria-label={m.groups.preview} className="min-w-0 overflow-hidden">
      <CardHead
        title={m.groups.preview}
        detail={access.data ? m.groups.listed(format.number(access.data.listed.length)) : undefined}
        end={choice}
      />
      <Loaded query={access} skeleton={<SkeletonRows rows={6} />}>
        {(found) => {
          const shown = shownServers(found, servers);
          return (
            <>
              {found.mode === "servers" ? (
                <p className="border-line border-t px-3.5 py-2 text-ink-2 text-sm">
                  {m.groups.byServer}{" "}
                  <Link to="/settings/profile" className="underline underline-offset-2 hover:text-ink">
                    {m.groups.mode}
                  </Link>
                </p>
              ) : null}
              {shown.length === 0 ? (
                <p className="border-line border-t px-3.5 py-3 text-ink-2">{m.groups.nothingShown}</p>
              ) : (
                <ul>
                  {shown.map((each) => (
                    <PreviewServer
                      key={each.server}
                      shown={each}
                      slug={servers.find(({ name }) => name === each.server)?.slug ?? each.server}
                      meta={found.mode === "servers"}
                    />
                  ))}
                </ul>
              )}
            </>
          );
        }}
      </Loaded>
    </Card>
  );
}

const MOST_OPEN = 12; // tools; a longer list is folded at first

function PreviewServer({ shown, slug, meta }: { shown: ShownServer; slug: string; meta: boolean }) {
  const m = useMessages(groupsTexts);
  const format = useFormat();
  const { server, tools, kept, waits } = shown;
  const [open, setOpen] = useState(!meta && tools.length <= MOST_OPEN);
  return (
    <li className="border-line border-t">
      <div className="flex min-h-row items-center gap-2 pr-3.5 pl-2">
        <button
          type="button"
          onClick={() => setOpen(!open)}
          aria-expanded={open}
          aria-label={m.groups.showTools(server)}
          disabled={tools.length === 0}
          className="flex min-w-0 flex-1 items-center gap-1.5 rounded text-left"
        >
          <ChevronDown
            className={cn(
              "size-4 shrink-0 text-ink-3",
              !open && "-rotate-90",
              tools.length === 0 && "invisible",
            )}
            aria-hidden
          />
          <span className="truncate font-semibold" data-name>
            {server}
          </span>
        </button>
        {kept > 0 ? (
          <span title={m.groups.keptHint} className="text-ink-3 text-xs">
            {m.groups.kept(format.number(kept))}
          </span>
        ) : null}
        <Waits server={server} slug={slug} waits={waits} />
        <span className="w-8 text-right text-ink-2 text-sm tabular-nums">{format.number(tools.length)}</span>
      </div>
      {open && tools.length > 0 ? (
        <ul className="pb-2 pl-8">
          {tools.map((name) => (
            <li key={name} className="truncate font-mono text-ink-2 text-xs leading-5">
              {name}
            </li>
          ))}
        </ul>
      ) : null}
    </li>
  );
}

function Waits({ server, slug, waits }: { server: string; slug: string; waits: ShownServer["waits"] }) {
  const m = useMessages(groupsTexts);
  const toast = useToast();
  const ask = useListTools(server);
  if (waits === "values") {
    return (
      <Link to="/settings" hash={slug} aria-label={m.groups.needsValuesFor(server)} className="rounded">
        <Badge tone="warn" className="hover:underline">
          {m.groups.needsValues}
        </Badge>
      </Link>
    );
  }
  if (waits === null) return null;
  return (
    <>
      <span className="text-ink-3 text-xs">{m.groups.unlisted}</span>
      <Button
        tone="ghost"
        busy={ask.isPending}
        aria-label={m.groups.askFor(server)}
        onClick={() => ask.mutate(undefined, { onError: toast.failed })}
      >
        {m.groups.ask}
      </Button>
    </>
  );
}
