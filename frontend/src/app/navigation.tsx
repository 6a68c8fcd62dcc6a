import { Link, useLocation, useRouter } from "@tanstack/react-router";
import { useEffect, useMemo, useRef } from "react";
import { useMessages } from "@/i18n";
import { cn } from "@/lib/cn";
import type { PageInfo } from "./pages";
import { mayOpen, useMe } from "./session";

export interface ListedPage extends PageInfo {
  path: string;
}

const GROUPS = ["work", "observe", "manage"] as const;

/** The pages somebody may open that need no parameter, in the order of the sidebar. */
export function usePages(): ListedPage[] {
  const router = useRouter();
  const me = useMe();
  return useMemo(() => {
    const listed = Object.values(router.routesByPath).flatMap((route) => {
      const { options, fullPath, id } = route as {
        options: { staticData?: { page?: PageInfo } };
        fullPath: string;
        id: string;
      };
      const info = options.staticData?.page;
      return info && id.startsWith("/_app") && !fullPath.includes("$") && mayOpen(me, info.role)
        ? [{ ...info, path: withoutEnd(fullPath) }]
        : [];
    });
    const place = ({ group, order = 1000 }: PageInfo) => (group ? GROUPS.indexOf(group) : 9) * 10_000 + order;
    return listed.sort((a, b) => place(a) - place(b));
  }, [router, me]);
}

const withoutEnd = (path: string) => path.replace(/(.)\/$/, "$1");

/** The pages by group. `onGo` closes what it stands in. */
export function Navigation({ onGo }: { onGo?: () => void }) {
  const m = useMessages();
  const pages = usePages();
  const list = useRef<HTMLElement>(null);
  const path = useLocation({ select: ({ pathname }) => pathname });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page has another entry
  useEffect(() => {
    // On a low screen the list scrolls, and the entry of a page that was opened by its address may be below.
    list.current?.querySelector("[aria-current=page]")?.scrollIntoView({ block: "nearest" });
  }, [path]);
  return (
    <nav ref={list} aria-label={m.shell.navigation} className="flex flex-col gap-4">
      {GROUPS.map((group) => {
        const here = pages.filter((page) => page.group === group);
        return here.length === 0 ? null : (
          <div key={group}>
            <p className="px-2 pb-1 font-medium text-2xs text-ink-3">{m.shell.groups[group]}</p>
            <ul className="flex flex-col">
              {here.map(({ path, icon: Icon, name }) => (
                <li key={path}>
                  <Link
                    to={path}
                    onClick={onGo}
                    activeOptions={{ exact: path === "/admin" || path === "/settings", includeSearch: false }}
                    className="flex h-7.5 items-center gap-2.5 rounded-md px-2 transition-colors duration-150"
                    activeProps={{ className: "bg-accent-soft font-semibold text-accent" }}
                    inactiveProps={{ className: "text-ink-2 hover:bg-raised hover:text-ink" }}
                  >
                    {Icon ? <Icon className={cn("size-4 shrink-0")} aria-hidden /> : null}
                    {m.shell.pageNames[name]}
                  </Link>
                </li>
              ))}
            </ul>
          </div>
        );
      })}
    </nav>
  );
}
