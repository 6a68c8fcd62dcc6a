import type { KeyView, User, UserKeys } from "@/api/schema.gen";
import type { View } from "./search";

export interface KeyRow {
  key: KeyView;
  owner: User;
}

const MONTH = 30 * 24 * 60 * 60 * 1000; // milliseconds

export function rowsOf(people: UserKeys[]): KeyRow[] {
  return people.flatMap(({ user, keys }) => keys.map((key) => ({ key, owner: user })));
}

export function narrowed(rows: KeyRow[], view: View, now: Date): KeyRow[] {
  const works = ({ key }: KeyRow) => key.state === "active" || key.state === "rotating";
  switch (view) {
    case "all":
      return rows;
    case "soon":
      return rows.filter((row) => works(row) && row.key.warning !== undefined);
    case "unused":
      return rows.filter((row) => works(row) && idleSince(row.key).getTime() <= now.getTime() - MONTH);
    default:
      return rows.filter(works);
  }
}

/** When a key was used last; one that never was is idle since it was made. */
function idleSince({ lastUsedAt, createdAt }: KeyView): Date {
  return new Date(lastUsedAt ?? createdAt);
}
