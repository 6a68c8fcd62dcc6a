import type { ReactNode } from "react";
import { cn } from "@/lib/cn";

interface PageProps {
  title: ReactNode;
  subtitle?: ReactNode;
  /** At the end of the title's row: state, buttons, a search. */
  end?: ReactNode;
  /** Below the title and above the line: filters. */
  tools?: ReactNode;
  /** `form` is a column in the middle, `full` reaches the edges for lists and editors. */
  width?: "full" | "form";
  children: ReactNode;
  className?: string;
}

/** The frame of every page. Its title is the page's one `h1`. */
export function Page({ title, subtitle, end, tools, width = "full", children, className }: PageProps) {
  const form = width === "form";
  return (
    <div className={cn("flex min-h-full flex-col", form && "mx-auto w-full max-w-[1004px]")}>
      <header
        className={cn(
          "flex flex-wrap items-end gap-x-4 gap-y-2 px-4.5",
          form ? "pt-5 pb-4" : "pt-3.5 pb-2.5",
        )}
      >
        <div className="min-w-0 flex-1 basis-64">
          <h1 className="font-semibold text-xl tracking-tight">{title}</h1>
          {subtitle ? <p className="text-ink-3 text-sm">{subtitle}</p> : null}
        </div>
        {end ? <div className="flex flex-wrap items-center gap-2">{end}</div> : null}
        {tools ? <div className="flex w-full flex-wrap items-center gap-2">{tools}</div> : null}
      </header>
      <div className={cn("flex flex-col px-4.5 pb-6", form ? "flex-none" : "min-h-0 flex-1", className)}>
        {children}
      </div>
    </div>
  );
}
