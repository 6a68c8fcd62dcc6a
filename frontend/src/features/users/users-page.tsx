import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { UserPlus } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import type { User } from "@/api/schema.gen";
import { usersQuery } from "@/api/users";
import { useCommands } from "@/app/commands";
import { useFormat } from "@/app/look";
import { Page } from "@/components/page";
import { EmptyState, Loaded, SkeletonRows } from "@/components/states";
import { Button } from "@/components/ui/button";
import { SearchInput } from "@/components/ui/input";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/i18n";
import { usersTexts } from "@/i18n/users";
import { BulkBar } from "./bulk-bar";
import { useUserCommands } from "./commands";
import { CreateUser } from "./create-user";
import { type Asked, UserDialogs } from "./dialogs";
import { countOf, filtersOf } from "./model";
import { VIEWS, type View } from "./search";
import { UsersTable } from "./users-table";

const route = getRouteApi("/_app/admin/users/");
const NOBODY: ReadonlySet<string> = new Set();

/** Everybody who may come in, or wants to. */
export function UsersPage() {
  const m = useMessages(usersTexts);
  const format = useFormat();
  const { q = "", view = "", sort } = route.useSearch();
  const navigate = route.useNavigate();
  const commands = useUserCommands();
  const query = useInfiniteQuery(usersQuery({ q, ...filtersOf(view) }));
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  const users = useMemo(() => query.data?.pages.flatMap(({ data }) => data), [query.data]);
  const counts = query.data?.pages.at(-1)?.counts;
  const [chosen, setChosen] = useState(NOBODY);
  const [asked, setAsked] = useState<Asked | null>(null);
  const [creating, setCreating] = useState(false);
  const more = () => void (hasNextPage && !isFetchingNextPage && fetchNextPage());

  // An order that the hub did not make is true of all rows or of none.
  useEffect(() => {
    if (sort && hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [sort, hasNextPage, isFetchingNextPage, fetchNextPage]);
  useCommands(
    useMemo(() => [{ id: "create-user", name: m.users.create, run: () => setCreating(true) }], [m]),
  );

  const change = (wanted: { q?: string; view?: View }, replace = false) => {
    setChosen(NOBODY);
    void navigate({
      search: (now) => Object.fromEntries(Object.entries({ ...now, ...wanted }).filter(([, value]) => value)),
      replace,
    });
  };
  return (
    <Page
      title={m.users.title}
      subtitle={m.users.subtitle}
      end={
        <Button tone="primary" size="md" onClick={() => setCreating(true)}>
          <UserPlus aria-hidden />
          {m.users.create}
        </Button>
      }
      tools={
        <>
          <div className="scroll-thin max-w-full overflow-x-auto">
            <Segmented
              label={m.users.viewLabel}
              value={view}
              onChange={(wanted) => change({ view: wanted })}
              options={VIEWS.map((value) => ({
                value,
                label: counts
                  ? `${m.users.views[value || "all"]} ${format.number(countOf(value, counts))}`
                  : m.users.views[value || "all"],
              }))}
            />
          </div>
          <SearchInput
            value={q}
            onChange={(typed) => change({ q: typed }, true)}
            placeholder={m.users.find}
            className="w-full max-w-72"
          />
          {users?.length && view !== "deleted" ? (
            <Button
              tone="ghost"
              onClick={() =>
                setChosen(new Set(users.filter(({ state }) => state !== "deleted").map(({ id }) => id)))
              }
            >
              {m.users.chooseAll}
            </Button>
          ) : null}
        </>
      }
    >
      <Loaded query={{ ...query, data: users }} skeleton={<SkeletonRows rows={12} />}>
        {(rows: User[]) => (
          <>
            <BulkBar users={rows} chosen={chosen} onChosen={setChosen} commands={commands} />
            <UsersTable
              users={rows}
              onlyAdmin={counts?.admins === 1}
              chosen={chosen}
              onChosen={setChosen}
              commands={commands}
              onAsk={setAsked}
              onEnd={more}
              empty={
                <EmptyState
                  title={q || view ? m.users.noMatch : m.users.empty}
                  action={
                    q || view ? (
                      <Button onClick={() => change({ q: "", view: "" })}>{m.users.showAll}</Button>
                    ) : null
                  }
                />
              }
            />
          </>
        )}
      </Loaded>
      <UserDialogs asked={asked} commands={commands} onDone={() => setAsked(null)} />
      {creating ? <CreateUser commands={commands} onDone={() => setCreating(false)} /> : null}
    </Page>
  );
}
