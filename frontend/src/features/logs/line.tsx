import { useFormat } from "@/app/look";
import { type Tone, toneText } from "@/components/ui/badge";
import { useMessages } from "@/i18n";
import { logsTexts } from "@/i18n/logs";
import { cn } from "@/lib/cn";
import { type Level, type Line, millis, parts } from "./model";

export const LEVEL_TONE: Record<Level, Tone> = {
  debug: "neutral",
  info: "neutral",
  warning: "warn",
  error: "bad",
  critical: "bad",
};
const SHORT: Record<Level, string> = {
  debug: "DEBUG",
  info: "INFO",
  warning: "WARN",
  error: "ERROR",
  critical: "CRIT",
};

/** One line of the log, in monospace. */
export function LogText({ line, wrap }: { line: Line; wrap: boolean }) {
  const format = useFormat();
  return (
    <span
      className={cn(
        "block px-4 font-mono text-xs leading-5.5",
        wrap ? "whitespace-pre-wrap break-all" : "truncate whitespace-pre",
      )}
    >
      <span className="text-ink-3">{line.at ? millis(format.time(new Date(line.at)), line.at) : ""}</span>{" "}
      <span className={cn("inline-block w-11 font-semibold", toneText[LEVEL_TONE[line.level]])}>
        {SHORT[line.level]}
      </span>
      <span className="text-ink-2 max-sm:hidden">{line.source.padEnd(16)} </span>
      <span className="font-semibold text-ink">{line.event}</span>
      {line.fields.map(([name, value]) => (
        <span key={name}>
          {"  "}
          <span className="text-ink-3">{name}=</span>
          <Value text={value} />
        </span>
      ))}
    </span>
  );
}

/** A value, with what the hub took out of it marked. */
export function Value({ text }: { text: string }) {
  const m = useMessages(logsTexts);
  let at = 0;
  return parts(text).map((part) => {
    const key = at;
    at += part.text.length;
    return part.hidden ? (
      <mark key={key} title={m.logs.hidden} className="rounded bg-warn-soft px-0.5 text-warn-text">
        {part.text}
      </mark>
    ) : (
      <span key={key} className="text-ink-2">
        {part.text}
      </span>
    );
  });
}
