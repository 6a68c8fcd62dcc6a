export const SECTIONS = [
  "",
  "users",
  "groups",
  "keys",
  "values",
  "servers",
  "tools",
  "settings",
  "hubVariables",
] as const;
