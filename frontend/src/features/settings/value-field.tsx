import { Eraser, ExternalLink, Undo2 } from "lucide-react";
import { useId, useState } from "react";
import { Time } from "@/components/time";
import { Button, IconButton } from "@/components/ui/button";
import { CopyButton } from "@/components/ui/copy-button";
import { MaskedValue, SecretInput } from "@/components/ui/secret-field";
import { useMessages } from "@/i18n";
import { settingsTexts } from "@/i18n/settings";
import { useFocusBack } from "@/lib/use-focus-back";
import { type FieldView, fits, givenLabel, helpOf } from "./model";
import { ValueHistory } from "./value-history";

interface ValueFieldProps {
  server: string;
  field: FieldView;
  /** undefined: untouched; null: will be removed */
  typed: string | null | undefined;
  error: string | undefined;
  onChange: (text: string | null | undefined) => void;
  onShare: (servers: string[]) => void;
}

/** One variable: its name and what is known of it at the left, its value at the right. */
export function ValueField({ server, field, typed, error, onChange, onShare }: ValueFieldProps) {
  const m = useMessages(settingsTexts);
  const id = useId();
  const { slot, short, saved, meta } = field;
  const [replacing, setReplacing] = useState(false);
  const masked = slot.secret && saved !== null && typed === undefined && !replacing;
  useFocusBack(!masked, () => document.getElementById(id));
  const wrongForm =
    typeof typed === "string" && !fits(slot, typed) ? m.errors.codes.pattern_mismatch : undefined;
  const problem = error ?? wrongForm;
  const help = helpOf(slot);
  const given = givenLabel(slot);
  const back = () => {
    setReplacing(false);
    onChange(undefined);
  };

  return (
    <div className="grid gap-x-4 gap-y-1 sm:grid-cols-[minmax(0,224px)_minmax(0,1fr)]">
      <div className="min-w-0 sm:pt-1.5">
        <div className="flex items-center gap-1">
          <label htmlFor={id} className="truncate font-mono font-semibold text-sm" title={slot.name}>
            {short}
          </label>
          {meta ? <ValueHistory server={server} field={field} /> : null}
          <CopyButton
            value={() => slot.name}
            label={m.settings.copyName(slot.name)}
            className="size-5 opacity-0 focus-visible:opacity-100 [div:hover>&]:opacity-100 [&_svg]:size-3"
          />
        </div>
        {given === "" ? null : (
          <p data-name className="text-ink-2 text-xs">
            {given}
          </p>
        )}
        <p className="text-ink-3 text-xs">
          {slot.required ? m.settings.required : m.settings.optional}
          {meta ? <Changed at={meta.updatedAt} /> : null}
        </p>
      </div>
      <div className="min-w-0">
        {typed === null ? (
          <Cleared id={id} name={short} onBack={back} />
        ) : masked ? (
          <MaskedValue mask={saved} label={m.settings.saved}>
            <Button
              id={id}
              tone="ghost"
              aria-label={`${m.settings.replace}: ${short}`}
              onClick={() => setReplacing(true)}
            >
              {m.settings.replace}
            </Button>
            {slot.required ? null : (
              <IconButton label={`${m.settings.clear}: ${short}`} onClick={() => onChange(null)}>
                <Eraser aria-hidden />
              </IconButton>
            )}
          </MaskedValue>
        ) : (
          <SecretInput
            id={id}
            secret={slot.secret}
            aria-invalid={problem ? true : undefined}
            aria-describedby={`${id}-hint`}
            placeholder={slot.placeholder || m.settings.paste}
            autoFocus={replacing}
            value={typed ?? (slot.secret ? "" : (saved ?? ""))}
            onChange={(event) => onChange(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === "Escape") event.currentTarget.blur();
            }}
            end={
              typed !== undefined || replacing ? (
                <IconButton label={saved === null ? m.common.revert : m.settings.keep} onClick={back}>
                  <Undo2 aria-hidden />
                </IconButton>
              ) : null
            }
          />
        )}
        <div id={`${id}-hint`} className="flex flex-col items-start gap-0.5 text-xs empty:hidden [&>*]:mt-1">
          {problem ? (
            <p role="alert" className="text-bad">
              {problem}
            </p>
          ) : null}
          {meta?.rejectedAt && typed === undefined ? <Rejected at={meta.rejectedAt} /> : null}
          {slot.description ? <p className="text-ink-3">{slot.description}</p> : null}
          {help?.href ? (
            <a
              href={help.href}
              target="_blank"
              rel="noreferrer"
              className="inline-flex items-center gap-1 text-ink-3 underline underline-offset-2 hover:text-ink"
            >
              {help.text}
              <ExternalLink className="size-3" aria-hidden />
            </a>
          ) : help ? (
            <p className="break-all text-ink-3">{help.text}</p>
          ) : null}
          <Sharing server={server} field={field} onShare={onShare} />
        </div>
      </div>
    </div>
  );
}

function Changed({ at }: { at: string }) {
  const m = useMessages(settingsTexts);
  const mark = "\u0000";
  const [before = "", after = ""] = m.settings.changed(mark).split(mark);
  return (
    <>
      {" · "}
      {before}
      <Time at={at} />
      {after}
    </>
  );
}

function Rejected({ at }: { at: string }) {
  const m = useMessages(settingsTexts);
  const mark = "\u0000";
  const [before = "", after = ""] = m.settings.rejected(mark).split(mark);
  return (
    <p className="text-bad">
      {before}
      <Time at={at} />
      {after}
    </p>
  );
}

function Cleared({ id, name, onBack }: { id: string; name: string; onBack: () => void }) {
  const m = useMessages(settingsTexts);
  return (
    <div className="flex h-8 items-center rounded-md border border-warn border-dashed bg-warn-soft pr-0.5 pl-2.5">
      <span className="flex-1 text-warn-text">{m.settings.willClear}</span>
      <Button id={id} tone="ghost" aria-label={`${m.settings.keep}: ${name}`} onClick={onBack}>
        {m.settings.keep}
      </Button>
    </div>
  );
}

/** Other servers that ask for the same variable. */
function Sharing({
  server,
  field: { slot, saved },
  onShare,
}: Pick<ValueFieldProps, "server" | "field" | "onShare">) {
  const m = useMessages(settingsTexts);
  const others = slot.servers.filter((name) => name !== server);
  if (others.length === 0) return null;
  return (
    <p className="flex flex-wrap items-center gap-x-2 text-ink-3">
      {m.settings.shared(others.join(", "))}
      {saved === null ? null : (
        <button
          type="button"
          className="rounded underline underline-offset-2 hover:text-ink"
          onClick={() => onShare(others)}
        >
          {m.settings.shareWith}
        </button>
      )}
    </p>
  );
}
