import { X } from "lucide-react";
import { type FocusEvent, type KeyboardEvent, useRef, useState } from "react";
import { SearchInput } from "@/components/ui/input";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { rich } from "@/i18n/rich";
import { cn } from "@/lib/cn";
import { parseQuery, type Term, writeQuery, writeTerm } from "@/lib/query-language";

interface QueryBarProps {
  /** The query that is in use, as the address says it. */
  value: string;
  onApply: (query: string) => void;
  /** Names the field for readers of the screen. */
  label: string;
  placeholder: string;
  /** Keys that can be asked, each with an example or what it is. */
  keys: { name: string; hint: string }[];
  keysLabel: string;
  removeLabel: (term: string) => string;
  /** Terms of the query that are not used, and how that is said. */
  unused?: Term[];
  unusedText: (terms: string) => string;
  className?: string;
}

/**
 * A query as text and as conditions that can be taken away. Enter puts it to use; leaving the field does too. The arrow
 * down leads from the field to the words that can be asked, Escape back.
 */
export function QueryBar({
  value,
  onApply,
  label,
  placeholder,
  keys,
  keysLabel,
  removeLabel,
  unused = [],
  unusedText,
  className,
}: QueryBarProps) {
  const m = useMessages();
  const [draft, setDraft] = useState(value);
  const [known, setKnown] = useState(value);
  if (known !== value) {
    setKnown(value);
    setDraft(value);
  }
  const apply = (text: string) => {
    const wanted = writeQuery(parseQuery(text));
    setDraft(wanted);
    if (wanted !== value) onApply(wanted);
  };
  const terms = parseQuery(value);
  const field = useRef<HTMLInputElement>(null);
  const words = useRef<HTMLUListElement>(null);
  const [here, setHere] = useState(false); // the focus is in the field, or in the words below it
  const leave = ({ relatedTarget }: FocusEvent) => {
    if (relatedTarget === field.current || words.current?.contains(relatedTarget)) return;
    setHere(false);
    apply(draft);
  };
  const take = (name: string) => {
    setDraft(`${draft.trimEnd()} ${name}:`.trimStart());
    field.current?.focus();
  };
  const walk = (event: KeyboardEvent) => {
    const buttons = [...(words.current?.querySelectorAll("button") ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    const moves: Record<string, HTMLElement | null | undefined> = {
      ArrowDown: buttons[at + 1] ?? buttons[at],
      ArrowUp: at > 0 ? buttons[at - 1] : field.current,
      Escape: at < 0 ? null : field.current,
    };
    const to = moves[event.key];
    if (!to) return;
    event.preventDefault();
    to.focus();
  };
  return (
    <search className={cn("relative flex min-w-0 flex-1 basis-72 flex-wrap items-center gap-1.5", className)}>
      <form
        className="w-full max-w-120"
        onSubmit={(event) => {
          event.preventDefault();
          apply(draft);
        }}
      >
        <SearchInput
          ref={field}
          value={draft}
          onChange={(text) => (text === "" ? apply("") : setDraft(text))}
          onFocus={() => setHere(true)}
          onBlur={leave}
          onKeyDown={walk}
          aria-keyshortcuts="ArrowDown"
          aria-label={label}
          placeholder={placeholder}
          spellCheck={false}
          autoComplete="off"
          className="font-mono [&_input]:text-xs"
        />
      </form>
      {/* Arrows walk its buttons, so that the Tab key goes past them. */}
      <ul
        ref={words}
        aria-label={keysLabel}
        onKeyDown={walk}
        onBlur={leave}
        className={cn(
          "absolute top-9 left-0 z-20 w-full max-w-120 grid-cols-[auto_1fr] gap-x-3 rounded-md border border-line bg-surface p-1.5 text-xs shadow-pop",
          here ? "grid" : "hidden",
        )}
      >
        {keys.map(({ name, hint }) => (
          <li key={name} className="col-span-2 grid grid-cols-subgrid">
            <button
              type="button"
              tabIndex={-1}
              className="col-span-2 grid grid-cols-subgrid items-baseline rounded px-1.5 py-1 text-left hover:bg-raised"
              onMouseDown={(event) => event.preventDefault()} // the field keeps the focus
              onClick={() => take(name)}
            >
              <code className="text-accent">{name}:</code>
              <span className="text-ink-2">{hint}</span>
            </button>
          </li>
        ))}
      </ul>
      {terms.map((term, at) => (
        <span
          // biome-ignore lint/suspicious/noArrayIndexKey: the same condition may stand there twice
          key={`${at} ${writeTerm(term)}`}
          className={cn(
            "inline-flex h-6 max-w-72 items-center gap-0.5 rounded border pl-1.5 font-mono text-xs",
            unused.includes(term)
              ? "border-line text-ink-3"
              : "border-accent-line bg-accent-soft text-accent",
          )}
        >
          <span className="truncate">{writeTerm(term)}</span>
          <button
            type="button"
            aria-label={removeLabel(writeTerm(term))}
            onClick={() => onApply(writeQuery(terms.filter((_, other) => other !== at)))}
            className="grid size-5.5 shrink-0 place-items-center rounded hover:bg-raised"
          >
            <X className="size-3" aria-hidden />
          </button>
        </span>
      ))}
      {unused.length > 0 ? (
        <Notice tone="warn" announce className="w-full">
          {rich(unusedText(writeQuery(unused) || m.common.none))}
        </Notice>
      ) : null}
    </search>
  );
}
