import { Check } from "lucide-react";
import type { ReactNode } from "react";
import { Card } from "@/components/ui/card";
import { cn } from "@/lib/cn";

interface StepCardProps {
  number: number;
  title: string;
  done?: boolean;
  children: ReactNode;
}

export function StepCard({ number, title, done = false, children }: StepCardProps) {
  return (
    <Card className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-3 p-4">
      <span
        className={cn(
          "grid size-6 place-items-center rounded-full font-semibold text-xs",
          done ? "bg-ok-soft text-ok" : "bg-accent-soft text-accent",
        )}
        aria-hidden
      >
        {done ? <Check className="size-3.5" /> : number}
      </span>
      <h2 className="self-center font-semibold text-lg tracking-tight">{title}</h2>
      <div className="col-start-2 mt-2 max-sm:col-span-2 max-sm:col-start-1">{children}</div>
    </Card>
  );
}
