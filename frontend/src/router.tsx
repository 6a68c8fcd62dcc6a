import { createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { makeQueryClient } from "./api/query-client";
import { forgetForOthers, meQuery } from "./app/session";
import { routeTree } from "./routeTree.gen";

// Loaded behind the first page, so that they are there when the hub is not.
const errorPages = () => import("./app/error-pages");
window.addEventListener("load", () => setTimeout(errorPages, 1000), { once: true });

const PUBLIC = ["/login", "/setup", "/invite", "/auth/error"];

export const queryClient = makeQueryClient((problem) => {
  const { pathname, href } = router.state.location;
  if (PUBLIC.includes(pathname)) return;
  queryClient.setQueryData(meQuery.queryKey, null);
  if (problem.status === 403) {
    void router.navigate({ to: "/auth/error", search: { code: problem.code } });
  } else {
    void router.navigate({ to: "/login", search: { next: href } });
  }
});
forgetForOthers(queryClient);

export const router = createRouter({
  routeTree,
  context: { queryClient },
  defaultPreload: "intent",
  defaultPreloadStaleTime: 0, // the query client knows what is fresh
  scrollRestoration: true,
  scrollToTopSelectors: ["#main"],
  defaultErrorComponent: lazyRouteComponent(errorPages, "ErrorPage"),
  defaultNotFoundComponent: lazyRouteComponent(errorPages, "NotFoundPage"),
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
