import { Link } from "@tanstack/react-router";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { healthTexts } from "@/i18n/health";

interface DegradedNoticeProps {
  /** The checks that failed, as the hub names them. */
  parts: string[];
  /** Whether to lead to the page of health. */
  leads: boolean;
}

export function DegradedNotice({ parts, leads }: DegradedNoticeProps) {
  const m = useMessages(healthTexts);
  const names = parts.map((name) => m.health.names[name as keyof typeof m.health.names] ?? name);
  return (
    <Notice
      tone="bad"
      announce
      className="rounded-none px-4.5"
      end={
        leads ? (
          <Link to="/admin/health" className="font-medium underline">
            {m.health.toHealth}
          </Link>
        ) : null
      }
    >
      {m.health.degraded(names.join(", "))}
    </Notice>
  );
}
