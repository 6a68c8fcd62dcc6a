import { createContext, type ReactNode } from "react";
import { useMessages } from "@/i18n";
import { toolsTexts } from "@/i18n/tools";
import type { Issue } from "./check";
import type { Schema } from "./schema";

/** What every part of a form needs: the whole schema, for references, and what is wrong. */
export interface Around {
  root: Schema;
  issues: Issue[];
}

export const AroundContext = createContext<Around>({ root: {}, issues: [] });

/** Below a field: what it is for, and what is wrong with it. */
export function Said({
  description,
  issue,
  id,
}: {
  description: unknown;
  issue: Issue | undefined;
  id: string;
}) {
  const m = useMessages(toolsTexts);
  return (
    <>
      {typeof description === "string" && description ? (
        <p data-name className="mt-0.5 text-ink-3 text-xs">
          {description}
        </p>
      ) : null}
      {issue ? (
        <p id={id} className="mt-0.5 text-bad text-xs">
          {m.tools.issues[issue.code](issue.want)}
        </p>
      ) : null}
    </>
  );
}

export const Nest = ({ children }: { children: ReactNode }) => (
  <div className="rounded-md border border-line border-l-2 border-l-line-strong py-2.5 pr-2.5 pl-3">
    {children}
  </div>
);
