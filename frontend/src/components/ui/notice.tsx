import { CircleAlert, CircleCheck, Info, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { cn } from "@/lib/cn";

const LOOKS = {
  info: { icon: Info, box: "bg-raised text-ink-2" },
  ok: { icon: CircleCheck, box: "bg-ok-soft text-ok" },
  warn: { icon: TriangleAlert, box: "bg-warn-soft text-warn-text" },
  bad: { icon: CircleAlert, box: "bg-bad-soft text-bad" },
};

interface NoticeProps {
  tone?: keyof typeof LOOKS;
  children: ReactNode;
  end?: ReactNode;
  /** Read aloud as soon as it appears. */
  announce?: boolean;
  className?: string;
}

/** One row that says something about what is around it. */
export function Notice({ tone = "info", children, end, announce, className }: NoticeProps) {
  const { icon: Icon, box } = LOOKS[tone];
  return (
    <div
      role={announce ? (tone === "bad" ? "alert" : "status") : undefined}
      className={cn("flex items-start gap-2 rounded-md px-2.5 py-1.5 text-base", box, className)}
    >
      <Icon className="mt-px size-4 shrink-0" aria-hidden />
      <div className="min-w-0 flex-1">{children}</div>
      {end}
    </div>
  );
}
