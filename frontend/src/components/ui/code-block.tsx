import type { ReactNode } from "react";
import { cn } from "@/lib/cn";
import { CopyButton } from "./copy-button";

interface CodeBlockProps {
  /** What is copied. */
  text: string;
  /** What is shown, when that is something else: a masked key. */
  shown?: ReactNode;
  label: string;
  className?: string;
}

/** Text to paste elsewhere. */
export function CodeBlock({ text, shown, label, className }: CodeBlockProps) {
  return (
    <div className={cn("relative rounded-md border border-line bg-raised", className)}>
      <pre
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard
        tabIndex={0}
        role="region"
        aria-label={label}
        className="scroll-thin overflow-x-auto p-3 pr-20 text-xs leading-relaxed"
      >
        <code>{shown ?? text}</code>
      </pre>
      <CopyButton value={() => text} withText className="absolute top-2 right-2" />
    </div>
  );
}
