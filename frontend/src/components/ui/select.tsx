import { Select as Base } from "@base-ui/react/select";
import { Check, ChevronDown } from "lucide-react";
import { cn } from "@/lib/cn";
import { fieldLook } from "./input";
import { itemLook, popupLook } from "./popup";

export interface Option<V extends string = string> {
  value: V;
  label: string;
}

interface SelectProps<V extends string> {
  value: V;
  onChange: (value: V) => void;
  options: Option<V>[];
  label?: string;
  id?: string;
  disabled?: boolean;
  className?: string;
}

/** One of a few. `label` is read aloud where no `Field` stands around it. */
export function Select<V extends string>({
  value,
  onChange,
  options,
  label,
  id,
  disabled,
  className,
}: SelectProps<V>) {
  return (
    <Base.Root
      items={options}
      value={value}
      onValueChange={(wanted) => wanted !== null && onChange(wanted as V)}
      disabled={disabled}
    >
      <Base.Trigger
        id={id}
        aria-label={label}
        className={cn(fieldLook, "flex h-8 items-center justify-between gap-2 px-2.5 text-base", className)}
      >
        <Base.Value />
        <Base.Icon>
          <ChevronDown className="size-4 text-ink-3" aria-hidden />
        </Base.Icon>
      </Base.Trigger>
      <Base.Portal>
        <Base.Positioner sideOffset={4} alignItemWithTrigger={false} className="z-50">
          <Base.Popup className={cn(popupLook, "max-h-80 min-w-(--anchor-width) overflow-y-auto p-1")}>
            <Base.List>
              {options.map((option) => (
                <Base.Item key={option.value} value={option.value} className={itemLook}>
                  <Base.ItemText className="flex-1">{option.label}</Base.ItemText>
                  <Base.ItemIndicator>
                    <Check className="size-4 text-accent" aria-hidden />
                  </Base.ItemIndicator>
                </Base.Item>
              ))}
            </Base.List>
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}
