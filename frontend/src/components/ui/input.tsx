import { Search, X } from "lucide-react";
import type { ComponentProps, RefObject } from "react";
import { useMessages } from "@/i18n";
import { cn } from "@/lib/cn";

export const fieldLook =
  "w-full rounded-md border border-line-strong bg-surface text-ink transition-colors duration-150 hover:border-ink-3 focus-visible:border-accent focus-visible:outline-offset-0 aria-invalid:border-bad disabled:cursor-not-allowed disabled:bg-raised disabled:text-ink-3";

export function Input({ className, ...rest }: ComponentProps<"input">) {
  return <input className={cn(fieldLook, "h-8 px-2.5 text-base", className)} {...rest} />;
}

export function Textarea({ className, ...rest }: ComponentProps<"textarea">) {
  return <textarea className={cn(fieldLook, "min-h-20 px-2.5 py-1.5 text-base", className)} {...rest} />;
}

type SearchProps = Omit<ComponentProps<"input">, "onChange" | "value" | "ref"> & {
  value: string;
  onChange: (value: string) => void;
  ref?: RefObject<HTMLInputElement | null>;
};

/** The search of a page. `/` leads to it from anywhere on the page, Escape out of it. */
export function SearchInput({ value, onChange, className, placeholder, onKeyDown, ...rest }: SearchProps) {
  const m = useMessages();
  return (
    <div className={cn("relative", className)}>
      <Search className="pointer-events-none absolute top-2 left-2.5 size-4 text-ink-3" aria-hidden />
      <input
        type="text"
        role="searchbox"
        aria-label={placeholder ?? m.common.search}
        data-page-search
        value={value}
        placeholder={placeholder ?? m.common.search}
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") event.currentTarget.blur();
          onKeyDown?.(event);
        }}
        className={cn(fieldLook, "h-8 pr-8 pl-8 text-base")}
        {...rest}
      />
      {value === "" ? (
        <kbd className="pointer-events-none absolute top-1.5 right-2 rounded border border-line bg-raised px-1.5 text-2xs text-ink-3 leading-4.5">
          /
        </kbd>
      ) : (
        <button
          type="button"
          aria-label={m.common.clearSearch}
          onClick={() => onChange("")}
          className="absolute top-1 right-1 rounded p-1 text-ink-3 hover:text-ink"
        >
          <X className="size-4" aria-hidden />
        </button>
      )}
    </div>
  );
}
