import { type ReactNode, useState } from "react";
import { useMessages } from "@/i18n";
import { rich } from "@/i18n/rich";
import { Button } from "./button";
import { Dialog } from "./dialog";
import { Field } from "./field";
import { Input } from "./input";

interface ConfirmProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: ReactNode;
  /** What goes, and whether it comes back. */
  text: ReactNode;
  action: string;
  onConfirm: () => void;
  busy?: boolean;
  /** What has to be typed first, for what cannot be undone. */
  name?: string;
  error?: ReactNode;
  children?: ReactNode;
}

/** Asks before something that cannot simply be undone. */
export function Confirm({
  name,
  open,
  onOpenChange,
  title,
  text,
  action,
  onConfirm,
  busy,
  error,
  children,
}: ConfirmProps) {
  const m = useMessages();
  const [typed, setTyped] = useState("");
  const ready = name === undefined || typed === name;
  return (
    <Dialog
      open={open}
      onOpenChange={(wanted) => {
        setTyped("");
        onOpenChange(wanted);
      }}
      title={title}
      description={text}
      actions={
        <>
          <Button size="md" onClick={() => onOpenChange(false)}>
            {m.common.cancel}
          </Button>
          <Button size="md" tone="danger" disabled={!ready} busy={busy} onClick={onConfirm}>
            {action}
          </Button>
        </>
      }
    >
      {children}
      {name === undefined ? null : (
        <Field label={rich(m.common.confirmByName(name))}>
          {(parts) => (
            <Input
              {...parts}
              autoComplete="off"
              spellCheck={false}
              className="font-mono"
              value={typed}
              onChange={(event) => setTyped(event.target.value)}
            />
          )}
        </Field>
      )}
      {error ? (
        <p role="alert" className="mt-2 text-bad text-sm">
          {error}
        </p>
      ) : null}
    </Dialog>
  );
}
