import { cva, type VariantProps } from "class-variance-authority";
import { Loader2 } from "lucide-react";
import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

const look = cva(
  "inline-flex select-none items-center justify-center gap-1.5 whitespace-nowrap rounded-md font-medium transition-colors duration-150 disabled:cursor-not-allowed disabled:opacity-55 [&_svg]:size-4 [&_svg]:shrink-0",
  {
    variants: {
      tone: {
        primary: "bg-accent text-accent-ink hover:bg-[color-mix(in_oklch,var(--accent)_88%,var(--ink))]",
        plain: "border border-line-strong bg-surface text-ink hover:bg-raised",
        ghost: "text-ink-2 hover:bg-raised hover:text-ink",
        on: "border border-accent-line bg-accent-soft text-accent",
        danger: "border border-bad bg-surface text-bad hover:bg-bad-soft",
      },
      size: {
        sm: "h-7 px-2.5 text-sm",
        md: "h-8 px-3 text-base",
        icon: "size-7",
      },
    },
    defaultVariants: { tone: "plain", size: "sm" },
  },
);

export type ButtonProps = ComponentProps<"button"> &
  Pick<VariantProps<typeof look>, "tone" | "size"> & { busy?: boolean };

/** The one button. `busy` shows that it works on it, and takes no second press. */
export function Button({
  tone,
  size,
  busy = false,
  className,
  children,
  disabled,
  type,
  ...rest
}: ButtonProps) {
  return (
    <button
      type={type ?? "button"}
      className={cn(look({ tone, size }), className)}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      {...rest}
    >
      {busy ? <Loader2 className="animate-spin" aria-hidden /> : null}
      {children}
    </button>
  );
}

/** The classes of a button for what is a link. */
export function buttonLook({
  className,
  ...options
}: Pick<VariantProps<typeof look>, "tone" | "size"> & { className?: string } = {}): string {
  return cn(look(options), className);
}

/** A button that shows only an icon; its name is read aloud and shown on hover. */
export function IconButton({ label, tone = "ghost", ...rest }: ButtonProps & { label: string }) {
  return <Button size="icon" tone={tone} aria-label={label} title={label} {...rest} />;
}
