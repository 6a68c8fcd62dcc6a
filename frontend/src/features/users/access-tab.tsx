import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { accessQuery } from "@/api/access";
import type { User } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { AccessList } from "@/components/access-list";
import { Loaded, SkeletonRows } from "@/components/states";
import { useMessages } from "@/i18n";
import { usersTexts } from "@/i18n/users";

/** What a client of the user sees at `/mcp`, server by server, and why the rest is hidden. */
export function AccessTab({ user }: { user: User }) {
  const m = useMessages(usersTexts);
  const format = useFormat();
  const query = useQuery(accessQuery(user.id, "/mcp", ""));
  return (
    <Loaded query={query} skeleton={<SkeletonRows rows={6} />}>
      {({ servers }) => (
        <>
          <p className="flex flex-wrap gap-x-3 px-3.5 py-2.5 text-ink-2">
            {m.users.sees(
              format.number(servers.filter(({ reason }) => reason === "allowed").length),
              format.number(servers.length),
            )}
            <Link to="/admin/access" search={{ user: user.id }} className="text-accent underline">
              {m.users.tryOthers}
            </Link>
          </p>
          <div className="rounded-lg border border-line bg-surface">
            <AccessList servers={servers} />
          </div>
        </>
      )}
    </Loaded>
  );
}
