export const VIEWS = ["", "soon", "unused", "all"] as const;

/** "" is keys that work; `unused` those of them that nobody used for a month. */
export type View = (typeof VIEWS)[number];
