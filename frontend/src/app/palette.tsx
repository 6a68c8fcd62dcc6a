import { Dialog as Base } from "@base-ui/react/dialog";
import { useNavigate } from "@tanstack/react-router";
import { CornerDownLeft, Search, Terminal } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useId, useMemo, useState } from "react";
import { Kbd } from "@/components/kbd";
import { popupLook } from "@/components/ui/popup";
import { useMessages } from "@/i18n";
import { cn } from "@/lib/cn";
import { useOfferedCommands } from "./commands";
import { usePages } from "./navigation";

interface Entry {
  id: string;
  name: string;
  section: string;
  icon: ReactNode;
  keys?: string;
  run: () => void;
}

/** Pages and commands by their names; typed, chosen with arrows, done with Enter. */
export function Palette({ open, onOpenChange }: { open: boolean; onOpenChange: (open: boolean) => void }) {
  const m = useMessages();
  return (
    <Base.Root open={open} onOpenChange={onOpenChange}>
      <Base.Portal>
        <Base.Backdrop className="fixed inset-0 z-40 bg-[oklch(0.15_0.01_250/0.4)]" />
        <Base.Popup
          aria-label={m.shell.palette}
          className={cn(
            popupLook,
            "fixed top-[14vh] left-1/2 z-40 w-[min(36rem,calc(100vw-2rem))] -translate-x-1/2",
          )}
        >
          <Choices onDone={() => onOpenChange(false)} />
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}

function useEntries(): Entry[] {
  const m = useMessages();
  const navigate = useNavigate();
  const pages = usePages();
  const commands = useOfferedCommands();
  return useMemo(
    () => [
      ...pages.map(({ path, name, icon: Icon }) => ({
        id: path,
        name: m.shell.pageNames[name],
        section: m.shell.pages,
        icon: Icon ? <Icon aria-hidden /> : null,
        run: () => void navigate({ to: path }),
      })),
      ...commands.map((command) => ({
        ...command,
        section: m.shell.commands,
        icon: <Terminal aria-hidden />,
      })),
    ],
    [m, navigate, pages, commands],
  );
}

function Choices({ onDone }: { onDone: () => void }) {
  const m = useMessages();
  const entries = useEntries();
  const list = useId();
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const found = entries.filter(({ name, id }) => matches(typed, `${name} ${id}`));
  const chosen = found[Math.min(at, found.length - 1)];

  const choose = (entry: Entry | undefined) => {
    if (!entry) return;
    onDone();
    entry.run();
  };
  const onKey = (event: KeyboardEvent) => {
    const moves: Record<string, () => void> = {
      ArrowDown: () => setAt((at + 1) % Math.max(found.length, 1)),
      ArrowUp: () => setAt((at + found.length - 1) % Math.max(found.length, 1)),
      Enter: () => choose(chosen),
    };
    const move = moves[event.key];
    if (!move || event.nativeEvent.isComposing) return;
    event.preventDefault();
    move();
  };

  return (
    <>
      <div className="relative border-line border-b">
        <Search className="pointer-events-none absolute top-3.5 left-3.5 size-4 text-ink-3" aria-hidden />
        <input
          role="combobox"
          aria-label={m.shell.find}
          aria-expanded
          aria-controls={list}
          aria-activedescendant={chosen && `${list}-${chosen.id}`}
          value={typed}
          placeholder={m.shell.find}
          onKeyDown={onKey}
          onChange={(event) => {
            setTyped(event.target.value);
            setAt(0);
          }}
          className="h-11 w-full rounded-t-lg bg-transparent pr-3 pl-10 text-lg outline-none focus-visible:outline-none"
        />
      </div>
      <div
        id={list}
        role="listbox"
        aria-label={m.shell.palette}
        className="scroll-thin max-h-[50vh] overflow-y-auto p-1.5"
      >
        {found.map((entry, index) => (
          <div key={entry.id} role="presentation">
            {entry.section === found[index - 1]?.section ? null : (
              <p className="px-2 pt-1.5 pb-0.5 text-2xs text-ink-3">{entry.section}</p>
            )}
            {/* biome-ignore lint/a11y/useKeyWithClickEvents: the field above takes the keys */}
            <div
              id={`${list}-${entry.id}`}
              role="option"
              tabIndex={-1}
              aria-selected={entry === chosen}
              onClick={() => choose(entry)}
              onPointerMove={() => setAt(index)}
              className={cn(
                "flex h-8 cursor-default items-center gap-2.5 rounded-md px-2 [&_svg]:size-4 [&_svg]:text-ink-3",
                entry === chosen && "bg-accent-soft",
              )}
            >
              {entry.icon}
              <span className="flex-1">{entry.name}</span>
              {entry.keys ? <Kbd keys={entry.keys} /> : null}
              {entry === chosen ? <CornerDownLeft aria-hidden /> : null}
            </div>
          </div>
        ))}
      </div>
      {found.length === 0 ? <p className="px-4 pb-4 text-ink-3">{m.shell.paletteEmpty}</p> : null}
    </>
  );
}

/** Is every word of what was typed somewhere in the text? */
export function matches(typed: string, text: string): boolean {
  const where = text.toLowerCase();
  return typed
    .toLowerCase()
    .split(/\s+/)
    .every((word) => where.includes(word));
}
