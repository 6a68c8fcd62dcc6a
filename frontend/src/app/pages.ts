import type { QueryClient } from "@tanstack/react-query";
import type { LucideIcon } from "lucide-react";
import type { Messages } from "@/i18n";
import { mayOpen, meQuery, type Role } from "./session";

export interface PageInfo {
  /** Its name is `shell.pageNames[name]`: in the sidebar, the command menu and the window's title. */
  name: keyof Messages["shell"]["pageNames"];
  icon?: LucideIcon;
  /** Where it stands in the sidebar; a page without a group is reached from others only. */
  group?: "work" | "observe" | "manage";
  /** Its place in the group, by tens. */
  order?: number;
  /** Who may open it. */
  role: Role;
}

declare module "@tanstack/react-router" {
  interface StaticDataRouteOption {
    page?: PageInfo;
  }
}

/** The page is for others. Shown inside of the frame; the hub would refuse the page's questions as well. */
export class Forbidden extends Error {
  readonly role: Role;

  constructor(role: Role) {
    super(`for ${role} only`);
    this.role = role;
  }
}

/** What a page's route begins with: `createFileRoute("/_app/servers/")({ ...page({ … }), component })`. */
export function page(info: PageInfo) {
  return {
    staticData: { page: info },
    beforeLoad: async ({ context }: { context: { queryClient: QueryClient } }) => {
      const me = await context.queryClient.ensureQueryData(meQuery);
      if (me && !mayOpen(me, info.role)) throw new Forbidden(info.role);
    },
  };
}
