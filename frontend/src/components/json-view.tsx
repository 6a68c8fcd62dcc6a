import { ChevronRight } from "lucide-react";
import { useState } from "react";
import { useFormat } from "@/app/look";
import { useMessages } from "@/i18n";
import { cn } from "@/lib/cn";

const STEP = 100; // children shown at once
const INDENT = 14; // pixels a level

interface JsonViewProps {
  value: unknown;
  /** Names the tree for readers of the screen. */
  label: string;
  /** So many levels are open at first. */
  open?: number;
  className?: string;
}

/** JSON as a tree that opens and folds; long lists come in steps. */
export function JsonView({ value, label, open = 2, className }: JsonViewProps) {
  return (
    <div
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard
      tabIndex={0}
      role="region"
      aria-label={label}
      className={cn("scroll-thin overflow-auto py-1.5 font-mono text-xs leading-5", className)}
    >
      <Node value={value} open={open} level={0} last />
    </div>
  );
}

interface NodeProps {
  name?: string;
  value: unknown;
  open: number;
  level: number;
  last: boolean;
}

function Node({ name, value, open, level, last }: NodeProps) {
  const m = useMessages();
  const format = useFormat();
  const [shown, setShown] = useState(level < open);
  const [most, setMost] = useState(STEP);
  const indent = { paddingLeft: level * INDENT + 20 };
  const isList = Array.isArray(value);
  if (value === null || typeof value !== "object" || Object.keys(value).length === 0) {
    return (
      <div style={indent} className="whitespace-pre-wrap break-words pr-3">
        <Name name={name} />
        <Leaf value={value} />
        {last ? "" : ","}
      </div>
    );
  }
  const entries: [string, unknown][] = isList
    ? value.map((each, index) => [String(index), each])
    : Object.entries(value);
  const [left, right] = isList ? "[]" : "{}";
  return (
    <div>
      <div style={indent} className="pr-3">
        <button
          type="button"
          aria-expanded={shown}
          onClick={() => setShown(!shown)}
          className="-ml-3.5 inline-flex items-center rounded hover:text-accent"
        >
          <ChevronRight
            className={cn("mr-0.5 size-3 shrink-0 text-ink-3", shown && "rotate-90")}
            aria-hidden
          />
          <Name name={name} />
          {left}
          {shown ? null : (
            <span className="text-ink-3">
              &nbsp;…&nbsp;{format.number(entries.length)}&nbsp;{right}
              {last ? "" : ","}
            </span>
          )}
        </button>
      </div>
      {shown ? (
        <>
          {entries.slice(0, most).map(([key, each], index) => (
            <Node
              key={key}
              name={isList ? undefined : key}
              value={each}
              open={open}
              level={level + 1}
              last={index === entries.length - 1}
            />
          ))}
          {entries.length > most ? (
            <button type="button" className="ml-7 text-accent underline" onClick={() => setMost(most + STEP)}>
              {m.common.loadMore} ({format.number(entries.length - most)})
            </button>
          ) : null}
          <div style={indent}>
            {right}
            {last ? "" : ","}
          </div>
        </>
      ) : null}
    </div>
  );
}

function Name({ name }: { name: string | undefined }) {
  return name === undefined ? null : (
    <>
      <span className="text-accent">{name}</span>
      <span className="text-ink-3">:&nbsp;</span>
    </>
  );
}

function Leaf({ value }: { value: unknown }) {
  if (typeof value === "string") return <span className="text-ok">{JSON.stringify(value)}</span>;
  if (typeof value === "number") return <span className="text-cat-user">{String(value)}</span>;
  if (typeof value === "boolean") return <span className="text-warn-text">{String(value)}</span>;
  return <span className="text-ink-3">{JSON.stringify(value)}</span>;
}
