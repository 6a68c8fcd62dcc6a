import { Check, Copy, X } from "lucide-react";
import { useEffect, useState } from "react";
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
  const [done, setDone] = useState<"copied" | "failed" | null>(null);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(null), done === "failed" ? 6000 : 1600);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = () =>
    copyText(value()).then(
      () => setDone("copied"),
      () => setDone("failed"),
    );
  const icons = {
    copied: <Check className="text-ok" aria-hidden />,
    failed: <X className="text-bad" aria-hidden />,
  };
  const icon = done ? icons[done] : <Copy aria-hidden />;
  const said = done === "failed" ? m.common.copyFailed : m.common.copied;
  const name = done ? said : (label ?? m.common.copy);
  return withText ? (
    <Button onClick={copy} aria-label={name} title={done === "failed" ? said : undefined} {...rest}>
      {icon}
      {done === "copied" ? m.common.copied : m.common.copy}
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
