import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ChevronDown, ChevronUp, Maximize2, SearchX, X } from "lucide-react";
import { type ReactNode, useMemo } from "react";
import { Problem } from "@/api/problem";
import { PeekPanel } from "@/components/peek-panel";
import { EmptyState, Loaded, SkeletonRows } from "@/components/states";
import { buttonLook, IconButton } from "@/components/ui/button";
import { CopyButton } from "@/components/ui/copy-button";
import { useMessages } from "@/i18n";
import { auditTexts } from "@/i18n/audit";
import { useShortcut } from "@/lib/shortcuts";
import { AccessDetail } from "./access-detail";
import { CategoryIcon } from "./categories";
import { FactDetail } from "./fact-detail";
import type { Item } from "./model";
import { factQuery } from "./queries";

interface PeekProps {
  /** A position, or the id of an access row. */
  id: string;
  /** The row when the list has it. */
  item: Item | undefined;
  onGo: (id: string) => void;
  onClose: () => void;
  onTerm: (key: string, value: string, not: boolean) => void;
}

/** One event beside the list, which stays in use. */
export function Peek({ id, item, onGo, onClose, onTerm }: PeekProps) {
  const m = useMessages(auditTexts);
  const position = /^\d+$/.test(id) ? Number(id) : null;
  const fact = useQuery({ ...factQuery(position ?? 0), enabled: position !== null });
  const earlier = position === null ? null : (fact.data?.earlier ?? null);
  const later = position === null ? null : (fact.data?.later ?? null);
  useShortcut("[", () => earlier !== null && onGo(String(earlier)));
  useShortcut("]", () => later !== null && onGo(String(later)));
  useShortcut("Escape", onClose);
  const shown = useMemo(() => item ?? fact.data?.fact, [item, fact.data]);
  const address = () =>
    position === null ? window.location.href : new URL(`/admin/audit/${position}`, window.location.href).href;
  return (
    <PeekPanel
      label={m.audit.detail}
      title={
        <>
          {shown ? <CategoryIcon item={shown} /> : null}
          <span className="truncate font-mono text-base">
            {shown?.type ?? m.audit.detail}
            {position === null ? "" : <span className="pl-2 text-ink-3">#{position}</span>}
          </span>
        </>
      }
      buttons={
        <>
          {position === null ? null : (
            <>
              <IconButton
                label={`${m.audit.previous} ([)`}
                disabled={earlier === null}
                onClick={() => onGo(String(earlier))}
              >
                <ChevronDown aria-hidden />
              </IconButton>
              <IconButton
                label={`${m.audit.next} (])`}
                disabled={later === null}
                onClick={() => onGo(String(later))}
              >
                <ChevronUp aria-hidden />
              </IconButton>
              <CopyButton value={address} label={m.audit.copyLink} />
              <Link
                to="/admin/audit/$position"
                params={{ position: String(position) }}
                aria-label={m.audit.openPage}
                title={m.audit.openPage}
                className={buttonLook({ tone: "ghost", size: "icon" })}
              >
                <Maximize2 aria-hidden />
              </Link>
            </>
          )}
          <IconButton label={m.audit.close} onClick={onClose}>
            <X aria-hidden />
          </IconButton>
        </>
      }
    >
      {body()}
    </PeekPanel>
  );

  function body(): ReactNode {
    if (position === null) {
      return item?.kind === "access" ? (
        <AccessDetail item={item} onTerm={onTerm} />
      ) : (
        <EmptyState icon={<SearchX aria-hidden />} title={m.audit.notFound} className="py-6">
          {m.audit.notInList}
        </EmptyState>
      );
    }
    if (fact.error instanceof Problem && fact.error.status === 404) return <NoSuchEvent />;
    return (
      <Loaded query={fact} skeleton={<SkeletonRows rows={8} />}>
        {(detail) => (
          <FactDetail
            key={detail.fact.position}
            detail={detail}
            onTerm={onTerm}
            link={(to, className, children) => (
              <button
                type="button"
                className={`w-full text-left ${className}`}
                onClick={() => onGo(String(to))}
              >
                {children}
              </button>
            )}
          />
        )}
      </Loaded>
    );
  }
}

export function NoSuchEvent() {
  const m = useMessages(auditTexts);
  return (
    <EmptyState icon={<SearchX aria-hidden />} title={m.audit.notFound} className="py-6">
      {m.audit.notFoundText}
    </EmptyState>
  );
}
