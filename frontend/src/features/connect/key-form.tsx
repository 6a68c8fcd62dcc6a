import { Eye, EyeOff, Plus } from "lucide-react";
import { type FormEvent, useState } from "react";
import { explain } from "@/api/problem";
import type { IssuedKey } from "@/api/schema.gen";
import { Time } from "@/components/time";
import { Button, IconButton } from "@/components/ui/button";
import { CopyButton } from "@/components/ui/copy-button";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";
import { Notice } from "@/components/ui/notice";
import { Select } from "@/components/ui/select";
import { useMessages } from "@/i18n";
import { connectTexts } from "@/i18n/connect";
import type { useKeyCommands } from "./commands";
import { masked } from "./model";

const DAYS = [7, 30, 60, 90];

interface KeyFormProps {
  commands: ReturnType<typeof useKeyCommands>;
  onIssued: (issued: IssuedKey) => void;
  /** Nobody has a key yet: the form is what the page is for. */
  first: boolean;
  mostDays: number;
}

export function KeyForm({ commands: { issue }, onIssued, first, mostDays }: KeyFormProps) {
  const m = useMessages(connectTexts);
  const [name, setName] = useState("");
  const [days, setDays] = useState(String(mostDays));
  const options = DAYS.filter((count) => count <= mostDays).map((count) => ({
    value: String(count),
    label: m.connect.days(String(count)),
  }));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    issue.mutate({ name: name.trim(), days: Number(days) }, { onSuccess: ({ issued }) => onIssued(issued) });
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-3">
      <p className="text-ink-2">{m.connect.keyText}</p>
      {issue.error ? (
        <Notice tone="bad" announce>
          {explain(issue.error, m)}
        </Notice>
      ) : null}
      <div className="flex flex-wrap items-start gap-3">
        <Field label={m.connect.keyName} hint={m.connect.keyNameHint} className="min-w-56 flex-1">
          {(parts) => (
            <Input
              {...parts}
              required
              maxLength={100}
              autoComplete="off"
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <Field label={m.connect.expiry} className="w-36">
          {({ id }) => (
            <Select id={id} label={m.connect.expiry} value={days} onChange={setDays} options={options} />
          )}
        </Field>
        <Button
          type="submit"
          tone={first ? "primary" : "plain"}
          size="md"
          className="mt-5.5"
          busy={issue.isPending}
          disabled={name.trim() === ""}
        >
          <Plus aria-hidden />
          {first ? m.connect.make : m.connect.anotherKey}
        </Button>
      </div>
    </form>
  );
}

interface ShownKeyProps {
  issued: IssuedKey;
  shown: boolean;
  onShow: (shown: boolean) => void;
  onAnother: () => void;
}

/** The key itself, this once. Hidden until one asks, as others may look at the screen; copying needs no look. */
export function ShownKey({ issued, shown, onShow, onAnother }: ShownKeyProps) {
  const m = useMessages(connectTexts);
  const key = issued.keyValue ?? "";
  return (
    <div className="flex flex-col gap-2.5">
      <Notice tone="warn" announce>
        {m.connect.shownOnce}
      </Notice>
      <div className="flex items-center gap-1 rounded-md border border-accent-line bg-accent-soft py-1 pr-1 pl-3">
        <span className="shrink-0 font-semibold">{issued.name}</span>
        <output aria-label={m.connect.yourKey} className="min-w-0 flex-1 truncate px-2 font-mono">
          {shown ? key : masked(key)}
        </output>
        <IconButton
          label={shown ? m.connect.hideKey : m.connect.showKey}
          aria-pressed={shown}
          onClick={() => onShow(!shown)}
        >
          {shown ? <EyeOff aria-hidden /> : <Eye aria-hidden />}
        </IconButton>
        <CopyButton withText autoFocus value={() => key} />
      </div>
      <div className="flex items-center justify-between gap-2 text-ink-3 text-xs">
        <span>
          {m.connect.expiry} <Time at={issued.expiresAt} as="date" />
        </span>
        <Button tone="ghost" onClick={onAnother}>
          {m.connect.anotherKey}
        </Button>
      </div>
    </div>
  );
}
