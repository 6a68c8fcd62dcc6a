import { Eye, EyeOff } from "lucide-react";
import { type ComponentProps, type ReactNode, useState } from "react";
import { useMessages } from "@/i18n";
import { settingsTexts } from "@/i18n/settings";
import { cn } from "@/lib/cn";
import { IconButton } from "./button";
import { Input } from "./input";

type SecretInputProps = Omit<ComponentProps<"input">, "type"> & {
  /** Whether the text may be shown at all; what is no secret needs no eye. */
  secret?: boolean;
  end?: ReactNode;
};

/** A field for a secret that is being typed. The eye shows what is typed, never what is stored. */
export function SecretInput({ secret = true, end, className, ...rest }: SecretInputProps) {
  const m = useMessages(settingsTexts);
  const [shown, setShown] = useState(false);
  const hidden = secret && !shown;
  return (
    <div className={cn("relative", className)}>
      <Input
        type="text"
        autoComplete="off"
        spellCheck={false}
        // Not type=password: browsers offer to remember those for the hub's own account.
        className={cn("pr-20 font-mono", hidden && "[-webkit-text-security:disc]")}
        data-hidden={hidden || undefined}
        {...rest}
      />
      <div className="absolute top-0.5 right-0.5 flex items-center">
        {secret ? (
          <IconButton
            label={shown ? m.settings.hideTyped : m.settings.showTyped}
            aria-pressed={shown}
            onClick={() => setShown(!shown)}
          >
            {shown ? <EyeOff aria-hidden /> : <Eye aria-hidden />}
          </IconButton>
        ) : null}
        {end}
      </div>
    </div>
  );
}

/** A stored value: its mask as the hub made it, and what can be done with it. */
export function MaskedValue({
  mask,
  label,
  children,
}: {
  mask: string;
  label: string;
  children?: ReactNode;
}) {
  return (
    <div className="flex h-8 items-center rounded-md border border-line bg-raised pr-0.5 pl-2.5">
      <span className="min-w-0 flex-1 truncate font-mono text-base text-ink-2" title={label}>
        <span className="sr-only">{label}: </span>
        {mask}
      </span>
      {children}
    </div>
  );
}
