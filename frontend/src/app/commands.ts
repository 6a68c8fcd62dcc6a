import { useEffect, useSyncExternalStore } from "react";

/** Something the command menu offers beside the pages. */
export interface Command {
  id: string;
  name: string;
  /** Keys that do the same, shown beside it. */
  keys?: string;
  run: () => void;
}

let offered: Command[] = [];
const readers = new Set<() => void>();

function change(commands: Command[]): void {
  offered = commands;
  for (const reader of readers) reader();
}

/** Offers commands while the component is there. Keep the list in `useMemo`. */
export function useCommands(commands: Command[]): void {
  useEffect(() => {
    change([...offered, ...commands]);
    return () => change(offered.filter((command) => !commands.includes(command)));
  }, [commands]);
}

export function useOfferedCommands(): Command[] {
  return useSyncExternalStore(
    (reader) => {
      readers.add(reader);
      return () => readers.delete(reader);
    },
    () => offered,
  );
}
