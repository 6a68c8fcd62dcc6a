import { cn } from "@/lib/cn";

/** The mark: spokes that meet in a hub. */
export function Logo({ className }: { className?: string }) {
  return (
    <svg
      viewBox="0 0 20 20"
      className={cn("size-5 text-accent", className)}
      fill="none"
      stroke="currentColor"
      strokeWidth="1.8"
      strokeLinecap="round"
      aria-hidden
    >
      <circle cx="10" cy="10" r="2.6" fill="currentColor" stroke="none" />
      <path d="M10 1.8v3M10 15.2v3M1.8 10h3M15.2 10h3M4.2 4.2l2 2M13.8 13.8l2 2M15.8 4.2l-2 2M6.2 13.8l-2 2" />
    </svg>
  );
}
