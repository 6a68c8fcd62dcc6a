import { useInfiniteQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import { type KeyboardEvent, useDeferredValue, useId, useState } from "react";
import { usersQuery } from "@/api/users";
import { Button } from "@/components/ui/button";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";
import { useMessages } from "@/i18n";
import { audiencesTexts } from "@/i18n/audiences";
import { fault, type Member, namesIn } from "./model";

interface NamesFieldProps {
  member: Member;
  names: string[];
  onChange: (names: string[]) => void;
}

/** Names of one kind: typed or pasted, several with commas between. Users are suggested; who else there is nobody knows. */
export function NamesField({ member, names, onChange }: NamesFieldProps) {
  const m = useMessages(audiencesTexts);
  const list = useId();
  const [typed, setTyped] = useState("");
  const [wrong, setWrong] = useState<ReturnType<typeof fault>>(null);
  const kind = m.audiences.members[member];
  const add = () => {
    const wanted = namesIn(typed);
    const bad = wanted.map((name) => fault(member, name)).find((found) => found !== null) ?? null;
    setWrong(bad);
    if (bad !== null || wanted.length === 0) return;
    onChange([...new Set([...names, ...wanted])]);
    setTyped("");
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.nativeEvent.isComposing) return;
    event.preventDefault();
    add();
  };
  return (
    <div className="flex flex-col gap-1.5">
      <Field
        label={kind}
        hint={m.audiences.hints[member]}
        error={wrong === null ? undefined : m.audiences[wrong]}
      >
        {(parts) => (
          <div className="flex gap-2">
            <Input
              {...parts}
              list={member === "users" ? list : undefined}
              autoComplete="off"
              spellCheck={false}
              className="font-mono"
              value={typed}
              onKeyDown={onKey}
              onChange={(event) => {
                setTyped(event.target.value);
                setWrong(null);
              }}
            />
            <Button
              size="md"
              aria-label={m.audiences.add(kind)}
              disabled={namesIn(typed).length === 0}
              onClick={add}
            >
              {m.audiences.addButton}
            </Button>
          </div>
        )}
      </Field>
      {member === "users" ? <Suggestions id={list} typed={typed} /> : null}
      {names.length > 0 ? (
        <ul className="flex flex-wrap gap-1" aria-label={kind}>
          {names.map((name) => (
            <li
              key={name}
              className="flex h-6 items-center gap-1 rounded bg-raised pr-0.5 pl-2 font-mono text-xs"
            >
              {name}
              <button
                type="button"
                aria-label={m.audiences.removeName(name)}
                onClick={() => onChange(names.filter((one) => one !== name))}
                className="rounded p-0.5 text-ink-3 hover:text-ink"
              >
                <X className="size-3.5" aria-hidden />
              </button>
            </li>
          ))}
        </ul>
      ) : null}
    </div>
  );
}

function Suggestions({ id, typed }: { id: string; typed: string }) {
  const q = useDeferredValue(typed.trim());
  const found = useInfiniteQuery({ ...usersQuery({ q }), enabled: q !== "" });
  return (
    <datalist id={id}>
      {found.data?.pages[0]?.data.slice(0, 20).map(({ id: key, username, displayName }) => (
        <option key={key} value={username}>
          {displayName}
        </option>
      ))}
    </datalist>
  );
}
