import { useEffect, useRef } from "react";

/**
 * Once something is closed and took the focus with it, gives it to what is there instead: whoever works by keyboard
 * goes on from there, and not from the top of the page.
 *
 * @param to what takes it.
 */
export function useFocusBack(open: boolean, to: () => HTMLElement | null): void {
  const was = useRef(open);
  const target = useRef(to);
  useEffect(() => {
    target.current = to;
  });
  useEffect(() => {
    const closed = was.current && !open;
    was.current = open;
    if (closed && document.activeElement === document.body) target.current()?.focus({ preventScroll: true });
  }, [open]);
}
