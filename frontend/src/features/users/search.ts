export const VIEWS = ["", "pending", "active", "inactive", "admin", "auditor", "deleted"] as const;

/** What the list is narrowed to: a state or a role, as one choice. */
export type View = (typeof VIEWS)[number];
