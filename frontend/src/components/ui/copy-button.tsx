import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";
import { toast } from "sonner";
import { useMessages } from "@/i18n";
import { Button, type ButtonProps, IconButton } from "./button";

interface CopyProps extends Omit<ButtonProps, "value" | "children"> {
  /** Read when it is pressed, so a secret need not stand in the page. */
  value: () => string;
  /** What is copied, for readers of the screen. */
  label?: string;
  withText?: boolean;
}

/** Copies, and says so. */
export function CopyButton({ value, label, withText = false, ...rest }: CopyProps) {
  const m = useMessages();
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1600);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = () =>
    copyText(value()).then(
      () => setDone(true),
      () => toast.error(m.common.copyFailed),
    );
  const icon = done ? <Check className="text-ok" aria-hidden /> : <Copy aria-hidden />;
  const name = done ? m.common.copied : (label ?? m.common.copy);
  return withText ? (
    <Button onClick={copy} aria-label={name} {...rest}>
      {icon}
      {done ? m.common.copied : m.common.copy}
    </Button>
  ) : (
    <IconButton label={name} onClick={copy} {...rest}>
      {icon}
    </IconButton>
  );
}

/** @throws when the browser does not let the page copy. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Plain http on another machine has no clipboard; a selected field still copies.
  const field = document.createElement("textarea");
  field.value = text;
  field.style.position = "fixed";
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  if (!copied) throw new Error("not copied");
}
