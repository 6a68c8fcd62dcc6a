import { Dialog as Base } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import type { ReactNode } from "react";
import { useMessages } from "@/i18n";
import { cn } from "@/lib/cn";
import { IconButton } from "./button";
import { popupLook } from "./popup";

interface DialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: ReactNode;
  description?: ReactNode;
  children?: ReactNode;
  /** The buttons at the foot; the last one is the main one. */
  actions?: ReactNode;
  className?: string;
}

/** A question or a short form in front of the page. */
export function Dialog({
  open,
  onOpenChange,
  title,
  description,
  children,
  actions,
  className,
}: DialogProps) {
  return (
    <Base.Root open={open} onOpenChange={onOpenChange}>
      <Base.Portal>
        <Base.Backdrop className="fixed inset-0 z-40 bg-[oklch(0.15_0.01_250/0.4)]" />
        <Base.Popup
          className={cn(
            popupLook,
            "fixed top-[12vh] left-1/2 z-40 max-h-[80vh] w-[min(30rem,calc(100vw-2rem))] -translate-x-1/2 overflow-y-auto p-4",
            className,
          )}
        >
          <Base.Title className="font-semibold text-lg">{title}</Base.Title>
          {description ? (
            <Base.Description className="mt-1 text-ink-2 text-base">{description}</Base.Description>
          ) : null}
          {children ? <div className="mt-3">{children}</div> : null}
          {actions ? <div className="mt-4 flex justify-end gap-2">{actions}</div> : null}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}

interface SheetProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: ReactNode;
  side?: "left" | "right";
  children: ReactNode;
  className?: string;
}

/** A panel at the edge, in front of the page: navigation on narrow screens, the sheet of shortcuts. */
export function Sheet({ open, onOpenChange, title, side = "right", children, className }: SheetProps) {
  const m = useMessages();
  return (
    <Base.Root open={open} onOpenChange={onOpenChange}>
      <Base.Portal>
        <Base.Backdrop className="fixed inset-0 z-40 bg-[oklch(0.15_0.01_250/0.4)]" />
        <Base.Popup
          className={cn(
            "fixed inset-y-0 z-40 flex w-[min(26rem,90vw)] flex-col overflow-y-auto border-line bg-surface shadow-pop outline-none",
            side === "right" ? "right-0 border-l" : "left-0 border-r",
            className,
          )}
        >
          <div className="flex items-center justify-between py-3 pr-3 pl-4">
            <Base.Title className="font-semibold text-lg">{title}</Base.Title>
            <Base.Close render={<IconButton label={m.common.close} />}>
              <X aria-hidden />
            </Base.Close>
          </div>
          {children}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}
