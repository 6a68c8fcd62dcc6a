import { useRouterState } from "@tanstack/react-router";
import { useEffect } from "react";
import { useMessages } from "@/i18n";

/** Tells readers of the screen, and the window's title, which page this is. */
export function Announcer() {
  const m = useMessages();
  const name = useRouterState({
    select: ({ matches }) => matches.findLast((match) => match.staticData.page)?.staticData.page?.name,
  });
  const title = m.shell.pageNames[name ?? "notFound"];
  useEffect(() => {
    document.title = `${title} · MCPHub`;
  }, [title]);
  return (
    <p role="status" className="sr-only">
      {title}
    </p>
  );
}
