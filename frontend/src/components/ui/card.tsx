import type { ComponentProps, ReactNode } from "react";
import { cn } from "@/lib/cn";

export function Card({ className, ...rest }: ComponentProps<"section">) {
  return <section className={cn("rounded-lg border border-line bg-surface", className)} {...rest} />;
}

interface CardHeadProps {
  title: ReactNode;
  /** Small, behind the title. */
  detail?: ReactNode;
  /** At the other end: state and buttons. */
  end?: ReactNode;
  className?: string;
}

export function CardHead({ title, detail, end, className }: CardHeadProps) {
  return (
    <div className={cn("flex min-h-10.5 flex-wrap items-center gap-2 px-3.5 py-1.5", className)}>
      <h2 className="font-semibold text-lg tracking-tight">{title}</h2>
      {detail ? <span className="font-mono text-ink-3 text-xs">{detail}</span> : null}
      {end ? <div className="ml-auto flex items-center gap-2">{end}</div> : null}
    </div>
  );
}
