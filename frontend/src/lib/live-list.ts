/** What has come in live, newest first: what is on the screen, and what waits until somebody wants to see it. */
export interface LiveList<Item> {
  shown: readonly Item[];
  waiting: readonly Item[];
  /** More came than was kept: what is here has a gap, and only loading anew closes it. */
  gap: boolean;
}

export const MOST = 5000; // items that came in live, on the screen and waiting each

export function emptyList<Item>(): LiveList<Item> {
  return { shown: [], waiting: [], gap: false };
}

/** One more. `wait`: nobody looks at the top, or the list stands still. */
export function arrived<Item>(list: LiveList<Item>, item: Item, wait: boolean): LiveList<Item> {
  if (list.gap) return list;
  const waits = wait || list.waiting.length > 0;
  if ((waits ? list.waiting : list.shown).length >= MOST) return { ...list, gap: true };
  if (!waits) return { ...list, shown: [item, ...list.shown] };
  return { ...list, waiting: [item, ...list.waiting] };
}

/** Puts what waits on the screen. */
export function released<Item>(list: LiveList<Item>): LiveList<Item> {
  if (list.waiting.length === 0) return list;
  return { ...list, shown: [...list.waiting, ...list.shown], waiting: [] };
}
