import { useEffect, useRef } from "react";

const FIELDS = "input, textarea, select, [contenteditable=true], .cm-editor";

/** Does this event say these keys? `mod` is ⌘ on a Mac and Ctrl elsewhere: `mod+k`, `/`, `?`, `Escape`. */
export function says(event: KeyboardEvent, keys: string): boolean {
  const parts = keys.split("+");
  const key = parts.pop() ?? "";
  const mod = parts.includes("mod");
  return (
    event.key.toLowerCase() === key.toLowerCase() && (event.metaKey || event.ctrlKey) === mod && !event.altKey
  );
}

/** Somebody types, so that plain keys are letters. */
export function isTyping(event: KeyboardEvent): boolean {
  return event.target instanceof Element && event.target.closest(FIELDS) !== null;
}

/** Runs something for keys while the component is there. Plain keys do nothing while somebody types. */
export function useShortcut(keys: string, run: () => void, enabled = true): void {
  const latest = useRef(run);
  useEffect(() => {
    latest.current = run;
  });
  useEffect(() => {
    if (!enabled) return;
    const heard = (event: KeyboardEvent) => {
      if (event.defaultPrevented || !says(event, keys)) return;
      if (!keys.includes("mod+") && isTyping(event)) return;
      event.preventDefault();
      latest.current();
    };
    window.addEventListener("keydown", heard);
    return () => window.removeEventListener("keydown", heard);
  }, [keys, enabled]);
}
