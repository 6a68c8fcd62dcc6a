/** Everything that floats looks like this. */
export const popupLook = "rounded-lg border border-line bg-surface text-ink shadow-pop outline-none";
export const itemLook =
  "flex min-h-7.5 cursor-default select-none items-center gap-2 rounded-md px-2 text-base outline-none data-highlighted:bg-raised data-disabled:text-ink-3";
