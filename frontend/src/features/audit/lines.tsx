import { Filter, FilterX } from "lucide-react";
import type { ReactNode } from "react";
import { IconButton } from "@/components/ui/button";
import { CopyButton } from "@/components/ui/copy-button";
import { useMessages } from "@/i18n";
import { auditTexts } from "@/i18n/audit";

interface LineProps {
  name: string;
  children: ReactNode;
  /** What its copy button copies. */
  copy?: string;
  /** The condition that stands for it: key and value. */
  term?: [key: string, value: string];
  onTerm?: (key: string, value: string, not: boolean) => void;
}

/** A name and what is behind it, which can be copied, and looked for. */
export function Line({ name, children, copy, term, onTerm }: LineProps) {
  const m = useMessages(auditTexts);
  return (
    <div className="group/line col-span-2 grid min-h-6 grid-cols-subgrid items-center">
      <dt className="self-start pt-0.5 text-ink-3">{name}</dt>
      <dd className="flex min-w-0 items-center gap-1">
        <span className="min-w-0 break-words">{children}</span>
        <span className="ml-auto flex shrink-0 opacity-0 focus-within:opacity-100 group-hover/line:opacity-100">
          {term && onTerm ? (
            <>
              <IconButton
                label={`${m.audit.onlyThis}: ${name}`}
                onClick={() => onTerm(term[0], term[1], false)}
                className="size-5 [&_svg]:size-3"
              >
                <Filter aria-hidden />
              </IconButton>
              <IconButton
                label={`${m.audit.notThis}: ${name}`}
                onClick={() => onTerm(term[0], term[1], true)}
                className="size-5 [&_svg]:size-3"
              >
                <FilterX aria-hidden />
              </IconButton>
            </>
          ) : null}
          {copy ? (
            <CopyButton
              value={() => copy}
              label={`${m.common.copy}: ${name}`}
              className="size-5 [&_svg]:size-3"
            />
          ) : null}
        </span>
      </dd>
    </div>
  );
}

export function Lines({ children }: { children: ReactNode }) {
  return <dl className="grid grid-cols-[88px_minmax(0,1fr)] gap-x-3 text-sm">{children}</dl>;
}
