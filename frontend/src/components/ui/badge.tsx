import { cva, type VariantProps } from "class-variance-authority";
import type { ReactNode } from "react";
import { cn } from "@/lib/cn";

const look = cva(
  "inline-flex h-5 items-center gap-1 whitespace-nowrap rounded px-1.5 font-medium text-2xs [&_svg]:size-3",
  {
    variants: {
      tone: {
        neutral: "bg-raised text-ink-2",
        accent: "bg-accent-soft text-accent",
        ok: "bg-ok-soft text-ok",
        warn: "bg-warn-soft text-warn-text",
        bad: "bg-bad-soft text-bad",
      },
    },
    defaultVariants: { tone: "neutral" },
  },
);

export type Tone = NonNullable<VariantProps<typeof look>["tone"]>;

/** A word about something. Colour is never all it says. */
export function Badge({
  tone,
  icon,
  children,
  className,
}: {
  tone?: Tone;
  icon?: ReactNode;
  children: ReactNode;
  className?: string;
}) {
  return (
    <span className={cn(look({ tone }), className)}>
      {icon}
      {children}
    </span>
  );
}

export const toneText: Record<Tone, string> = {
  neutral: "text-ink-3",
  accent: "text-accent",
  ok: "text-ok",
  warn: "text-warn-text",
  bad: "text-bad",
};
