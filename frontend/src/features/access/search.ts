export const MODES = ["auto", "tools", "servers"] as const;
export const FILTERS = ["", "shown", "hidden"] as const;

export type Mode = (typeof MODES)[number];
export type Filter = (typeof FILTERS)[number];
