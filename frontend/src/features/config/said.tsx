import { CircleAlert, Info, TriangleAlert } from "lucide-react";
import { useCallback } from "react";
import type { Change } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { useMessages } from "@/i18n";
import { configTexts } from "@/i18n/config";
import { rich } from "@/i18n/rich";
import { cn } from "@/lib/cn";
import { type FieldChange, type Finding, SILENT } from "./model";

/** A fact in a sentence; the server is its target. */
export function useSentence() {
  const m = useMessages(configTexts);
  return ({ type, server, summary }: Change): string => {
    const say = m.config.facts[type as keyof typeof m.config.facts] as
      | ((server: string, summary: string) => string)
      | undefined;
    return say ? say(server, summary) : `<b>${server}</b> ${type}`;
  };
}

/** What is recorded, fact by fact, with the fields that differ. */
export function ChangeList({
  changes,
  fieldsOf,
}: {
  changes: Change[];
  fieldsOf?: (server: string) => FieldChange[];
}) {
  const m = useMessages(configTexts);
  const sentence = useSentence();
  // Nothing but the order of members is another one.
  if (changes.every(({ type }) => SILENT.has(type)))
    return <p className="text-ink-2">{m.config.orderOnly}</p>;
  return (
    <ul className="flex flex-col gap-2" aria-label={m.config.willRecord}>
      {changes.map((change) => (
        <li key={`${change.type} ${change.server} ${change.summary}`}>
          <p>{rich(sentence(change))}</p>
          {change.type === "ServerChanged" && fieldsOf ? <Fields fields={fieldsOf(change.server)} /> : null}
        </li>
      ))}
    </ul>
  );
}

const MOST_FIELDS = 8;

function Fields({ fields }: { fields: FieldChange[] }) {
  const m = useMessages(configTexts);
  return (
    <ul className="mt-0.5 border-line border-l-2 pl-2 font-mono text-xs leading-5">
      {fields.slice(0, MOST_FIELDS).map(({ field, before, after }) => (
        <li key={field}>
          <span className="text-ink-2">{field.slice(1).replaceAll("/", ".") || m.config.order}</span>{" "}
          {before === null ? null : <del className="text-bad no-underline">− {before}</del>}{" "}
          {after === null ? null : <ins className="text-ok no-underline">+ {after}</ins>}
        </li>
      ))}
      {fields.length > MOST_FIELDS ? (
        <li className="text-ink-3">{m.config.moreFields(String(fields.length - MOST_FIELDS))}</li>
      ) : null}
    </ul>
  );
}

const LOOKS = {
  error: { icon: CircleAlert, look: "text-bad" },
  warning: { icon: TriangleAlert, look: "text-warn-text" },
  info: { icon: Info, look: "text-ink-3" },
};

/** What is wrong with the text; each leads to its place. */
export function FindingList({
  findings,
  explain,
  onShow,
}: {
  findings: Finding[];
  explain: (finding: Finding) => string;
  onShow: (at: number) => void;
}) {
  const m = useMessages(configTexts);
  return (
    <ul className="flex flex-col gap-1" aria-label={m.config.problems}>
      {findings.map((found) => {
        const { icon: Icon, look } = LOOKS[found.severity];
        return (
          <li key={`${found.code} ${found.pointer} ${found.from}`}>
            <button
              type="button"
              onClick={() => onShow(found.from)}
              className="flex w-full items-start gap-1.5 rounded px-1 py-0.5 text-left hover:bg-raised"
            >
              <Icon
                className={cn("mt-0.5 size-3.5 shrink-0", look)}
                aria-label={m.config.severities[found.severity]}
              />
              <span className="min-w-0">
                {rich(explain(found))}
                {found.pointer ? (
                  <span className="block truncate font-mono text-ink-3 text-xs">{found.pointer}</span>
                ) : null}
              </span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}

/** A finding in the reader's language. In English the hub's own words, which name what is there. */
export function useExplain() {
  const m = useMessages(configTexts);
  const { language } = useFormat();
  return useCallback(
    ({ code, detail, meant }: Finding): string => {
      if (meant) return m.config.meant(meant);
      const own: Record<string, string> = m.config.ownFindings;
      const ours = own[code];
      if (ours !== undefined) return detail ? `${ours} (${detail})` : ours;
      const said = detail.replace(/ \(line \d+, column \d+\)$/, "");
      const hubs: Record<string, string> = m.config.findings;
      const text = (language === "en" && said) || hubs[code] || said || code;
      return text.charAt(0).toUpperCase() + text.slice(1);
    },
    [m, language],
  );
}
