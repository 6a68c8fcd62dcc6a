import { Tabs as Base } from "@base-ui/react/tabs";
import type { ReactNode } from "react";
import { cn } from "@/lib/cn";

interface TabsProps<V extends string> {
  value: V;
  onChange: (value: V) => void;
  tabs: { value: V; label: ReactNode }[];
  /** Names the list for readers of the screen. */
  label: string;
  /** Stands at the end of the list: a copy button, a count. */
  end?: ReactNode;
  children: ReactNode;
  className?: string;
}

/** Views of one thing; put a `TabPanel` for each inside. */
export function Tabs<V extends string>({
  value,
  onChange,
  tabs,
  label,
  end,
  children,
  className,
}: TabsProps<V>) {
  return (
    <Base.Root value={value} onValueChange={(wanted) => onChange(wanted as V)} className={className}>
      <div className="flex items-end justify-between gap-2 border-line border-b max-sm:flex-wrap-reverse">
        <Base.List aria-label={label} className="scroll-thin -mb-px flex max-w-full overflow-x-auto">
          {tabs.map((tab) => (
            <Base.Tab
              key={tab.value}
              value={tab.value}
              className={cn(
                "whitespace-nowrap border-transparent border-b-2 px-3 py-2 text-ink-2 text-sm transition-colors duration-150",
                "hover:text-ink focus-visible:-outline-offset-2 data-active:border-accent data-active:font-semibold data-active:text-ink",
              )}
            >
              {tab.label}
            </Base.Tab>
          ))}
        </Base.List>
        {end}
      </div>
      {children}
    </Base.Root>
  );
}

export function TabPanel({
  value,
  children,
  className,
}: {
  value: string;
  children: ReactNode;
  className?: string;
}) {
  return (
    <Base.Panel value={value} className={cn("focus-visible:outline-offset-2", className)}>
      {children}
    </Base.Panel>
  );
}
