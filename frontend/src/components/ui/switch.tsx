import { Switch as Base } from "@base-ui/react/switch";
import { cn } from "@/lib/cn";

interface SwitchProps {
  checked: boolean;
  onChange: (checked: boolean) => void;
  label: string;
  disabled?: boolean;
  className?: string;
}

export function Switch({ checked, onChange, label, disabled, className }: SwitchProps) {
  return (
    <Base.Root
      checked={checked}
      onCheckedChange={onChange}
      disabled={disabled}
      aria-label={label}
      className={cn(
        "inline-flex h-4.5 w-8 shrink-0 items-center rounded-full bg-line-strong p-0.5 transition-colors duration-150 data-checked:bg-accent data-disabled:cursor-not-allowed data-disabled:opacity-55",
        className,
      )}
    >
      <Base.Thumb className="size-3.5 rounded-full bg-surface data-checked:translate-x-3.5" />
    </Base.Root>
  );
}
