import { useEffect } from "react";
import { Toaster, toast } from "sonner";
import { useMessages } from "@/i18n";
import { useLook } from "./look";

/** Where toasts appear; among them the one that a tab left open over an upgrade needs. */
export function Toasts() {
  const { dark } = useLook();
  useNewVersion();
  return (
    <Toaster
      position="bottom-right"
      theme={dark ? "dark" : "light"}
      closeButton
      toastOptions={{
        classNames: {
          toast: "!rounded-lg !border-line !bg-surface !font-sans !text-base !text-ink !shadow-pop",
          description: "!text-ink-2",
          actionButton: "!bg-accent !text-accent-ink",
        },
      }}
    />
  );
}

/** The page asks for parts of itself that are gone: it is older than the hub. */
function useNewVersion(): void {
  const m = useMessages();
  useEffect(() => {
    const tell = (event: Event) => {
      event.preventDefault();
      toast(m.shell.newVersion, {
        id: "new-version",
        duration: Number.POSITIVE_INFINITY,
        action: { label: m.common.reload, onClick: () => window.location.reload() },
      });
    };
    window.addEventListener("vite:preloadError", tell);
    return () => window.removeEventListener("vite:preloadError", tell);
  }, [m]);
}
