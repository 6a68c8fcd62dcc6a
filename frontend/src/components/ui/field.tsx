import { createContext, type ReactNode, useContext, useId } from "react";
import { cn } from "@/lib/cn";

interface FieldParts {
  id: string;
  "aria-describedby": string | undefined;
  "aria-invalid": true | undefined;
}

const FieldContext = createContext<FieldParts | null>(null);

/** What the control inside of a `Field` needs: `<Input {...useField()} />`, or the function form of `Field`. */
export function useField(): FieldParts {
  const parts = useContext(FieldContext);
  if (parts === null) throw new Error("useField outside of Field");
  return parts;
}

interface FieldProps {
  label: ReactNode;
  hint?: ReactNode;
  error?: ReactNode;
  className?: string;
  children: (parts: FieldParts) => ReactNode;
}

/** A control with its label, a hint, and what is wrong with it. */
export function Field({ label, hint, error, className, children }: FieldProps) {
  const id = useId();
  const said = [hint ? `${id}-hint` : "", error ? `${id}-error` : ""].filter(Boolean).join(" ");
  const parts: FieldParts = {
    id,
    "aria-describedby": said || undefined,
    "aria-invalid": error ? true : undefined,
  };
  return (
    <FieldContext value={parts}>
      <div className={cn("flex flex-col gap-1", className)}>
        <label htmlFor={id} className="font-medium text-ink-2 text-sm">
          {label}
        </label>
        {children(parts)}
        {hint ? (
          <p id={`${id}-hint`} className="text-ink-3 text-xs">
            {hint}
          </p>
        ) : null}
        {error ? (
          <p id={`${id}-error`} className="text-bad text-xs">
            {error}
          </p>
        ) : null}
      </div>
    </FieldContext>
  );
}
