import { type ErrorComponentProps, Link, useRouter } from "@tanstack/react-router";
import { FileQuestion, Lock, TriangleAlert } from "lucide-react";
import { useEffect } from "react";
import { asProblem } from "@/api/problem";
import { EmptyState, ProblemPanel } from "@/components/states";
import { Button, buttonLook } from "@/components/ui/button";
import { useMessages } from "@/i18n";
import { Forbidden } from "./pages";

export function NotFoundPage() {
  const m = useMessages();
  return (
    <EmptyState
      icon={<FileQuestion aria-hidden />}
      title={<h1>{m.shell.notFoundTitle}</h1>}
      className="py-24"
      action={
        <Link to="/" className={buttonLook({ size: "md" })}>
          {m.shell.toStart}
        </Link>
      }
    >
      {m.shell.notFoundText}
    </EmptyState>
  );
}

/** What a page shows when it cannot be shown: it is for others, the hub refused, or the page itself broke. */
export function ErrorPage({ error, reset }: ErrorComponentProps) {
  const m = useMessages();
  const router = useRouter();
  const known = error instanceof Forbidden || asProblem(error).code !== "page_error";
  useEffect(() => {
    // biome-ignore lint/suspicious/noConsole: nobody else hears of a page that broke
    if (!known) console.error(error);
  }, [error, known]);
  if (error instanceof Forbidden) {
    return (
      <EmptyState
        icon={<Lock aria-hidden />}
        title={<h1>{error.role === "auditor" ? m.shell.auditorsOnly : m.shell.adminsOnly}</h1>}
        className="py-24"
        action={
          <Link to="/" className={buttonLook({ size: "md" })}>
            {m.shell.toStart}
          </Link>
        }
      >
        {m.shell.adminsOnlyText}
      </EmptyState>
    );
  }
  if (known) {
    const again = () => {
      reset();
      void router.invalidate();
    };
    return (
      <div className="p-4.5">
        <ProblemPanel error={error} onRetry={again} />
      </div>
    );
  }
  return (
    <EmptyState
      icon={<TriangleAlert aria-hidden />}
      title={<h1>{m.shell.brokenTitle}</h1>}
      className="py-24"
      action={
        <Button size="md" onClick={() => window.location.reload()}>
          {m.common.reload}
        </Button>
      }
    >
      {m.shell.brokenText}
    </EmptyState>
  );
}
