import { Combobox as Base } from "@base-ui/react/combobox";
import { Check, X } from "lucide-react";
import { useMessages } from "@/i18n";
import { cn } from "@/lib/cn";
import { fieldLook } from "./input";
import { itemLook, popupLook } from "./popup";
import type { Option } from "./select";

interface Shared {
  options: Option[];
  placeholder?: string;
  id?: string;
  label?: string;
  className?: string;
}

/** One of many, found by typing; null while nothing is chosen. With `onType` whoever is told what is typed brings the
 * options that fit. */
export function Combobox({
  value,
  onChange,
  onType,
  options,
  placeholder,
  id,
  label,
  className,
}: Shared & {
  value: string | null;
  onChange: (value: string | null) => void;
  onType?: (text: string) => void;
}) {
  const chosen = options.find((option) => option.value === value) ?? null;
  return (
    <Base.Root
      items={options}
      value={chosen}
      onValueChange={(wanted: Option | null) => onChange(wanted?.value ?? null)}
      onInputValueChange={onType}
      filter={onType ? null : undefined}
    >
      <Base.Input
        id={id}
        aria-label={label}
        placeholder={placeholder}
        className={cn(fieldLook, "h-8 px-2.5 text-base", className)}
      />
      <Choices />
    </Base.Root>
  );
}

/** Several of many; the chosen ones are chips. */
export function MultiCombobox({
  value,
  onChange,
  options,
  placeholder,
  id,
  label,
  className,
}: Shared & { value: string[]; onChange: (value: string[]) => void }) {
  const m = useMessages();
  const chosen = options.filter((option) => value.includes(option.value));
  return (
    <Base.Root
      multiple
      items={options}
      value={chosen}
      onValueChange={(wanted: Option[]) => onChange(wanted.map((option) => option.value))}
    >
      <Base.Chips
        className={cn(
          fieldLook,
          "flex min-h-8 flex-wrap items-center gap-1 p-1 outline-accent has-[input:focus-visible]:border-accent has-[input:focus-visible]:outline-2",
          className,
        )}
      >
        {chosen.map((option) => (
          <Base.Chip
            key={option.value}
            aria-label={option.label}
            className="flex h-6 items-center gap-1 rounded bg-raised pr-0.5 pl-2 text-sm"
          >
            {option.label}
            <Base.ChipRemove aria-label={m.common.remove} className="rounded p-0.5 text-ink-3 hover:text-ink">
              <X className="size-3.5" aria-hidden />
            </Base.ChipRemove>
          </Base.Chip>
        ))}
        <Base.Input
          id={id}
          aria-label={label}
          placeholder={chosen.length === 0 ? placeholder : undefined}
          className="h-6 min-w-24 flex-1 bg-transparent px-1.5 text-base outline-none"
        />
      </Base.Chips>
      <Choices />
    </Base.Root>
  );
}

function Choices() {
  const m = useMessages();
  return (
    <Base.Portal>
      <Base.Positioner sideOffset={4} className="z-50">
        <Base.Popup className={cn(popupLook, "max-h-80 w-(--anchor-width) overflow-y-auto p-1")}>
          <Base.Empty className="px-2 py-1.5 text-ink-3 text-sm empty:hidden">{m.common.noMatch}</Base.Empty>
          <Base.List>
            {(option: Option) => (
              <Base.Item key={option.value} value={option} className={itemLook}>
                <span className="flex-1">{option.label}</span>
                <Base.ItemIndicator>
                  <Check className="size-4 text-accent" aria-hidden />
                </Base.ItemIndicator>
              </Base.Item>
            )}
          </Base.List>
        </Base.Popup>
      </Base.Positioner>
    </Base.Portal>
  );
}
