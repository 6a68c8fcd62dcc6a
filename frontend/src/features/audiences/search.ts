export const VIEWS = ["", "everyone", "named", "private", "nobody"] as const;

export type View = (typeof VIEWS)[number];
