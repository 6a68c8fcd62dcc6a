import { useState } from "react";
import { cn } from "@/lib/cn";

const PICTURES = "https://avatars.githubusercontent.com/"; // the page's policy lets no other be loaded

interface AvatarProps {
  name: string;
  url?: string | null;
  /** Administrators are filled, so that they are found in a list. */
  admin?: boolean;
  className?: string;
}

/** The face of somebody, or the first letter of their name. */
export function Avatar({ name, url, admin = false, className }: AvatarProps) {
  const [failed, setFailed] = useState<string>();
  const shape = cn("size-4.5 shrink-0 rounded-full", className);
  if (url?.startsWith(PICTURES) && url !== failed)
    return <img src={url} alt="" className={shape} onError={() => setFailed(url)} />;
  return (
    <span
      aria-hidden
      className={cn(
        shape,
        "grid place-items-center font-semibold text-[10px] uppercase leading-none",
        admin ? "bg-ink text-surface" : "border border-line-strong bg-raised text-ink-2",
      )}
    >
      {[...name][0]}
    </span>
  );
}
