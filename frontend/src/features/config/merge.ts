import {
  type Json,
  memberOf,
  type ObjectNode,
  type Path,
  pointerOf,
  printDocument,
  printJson,
  sameJson,
} from "./json-tree";

export type Side = "mine" | "theirs";

/** A place that both changed, and differently. `null`: it is not there. */
export interface Conflict {
  pointer: string;
  base: string | null;
  mine: string | null;
  theirs: string | null;
}

export interface Merged {
  conflicts: Conflict[];
  /** The document with one side taken for each conflict; `mine` where none is chosen. */
  text: (chosen: Record<string, Side>) => string;
}

/**
 * Two changes of one document in one. What only one side changed is taken from it, member by member.
 *
 * @param base what both began with.
 */
export function merged(base: Json, mine: Json, theirs: Json): Merged {
  const conflicts: Conflict[] = [];
  walk(base, mine, theirs, [], (conflict) => {
    conflicts.push(conflict);
    return "mine";
  });
  return {
    conflicts,
    text: (chosen) => {
      const made = walk(base, mine, theirs, [], ({ pointer }) => chosen[pointer] ?? "mine");
      return made ? printDocument(made) : "";
    },
  };
}

type Node = Json | undefined;

function walk(base: Node, mine: Node, theirs: Node, path: Path, choose: (conflict: Conflict) => Side): Node {
  if (sameJson(mine, theirs) || sameJson(base, theirs)) return mine;
  if (sameJson(base, mine)) return theirs;
  if (mine?.type === "object" && theirs?.type === "object") return members(base, mine, theirs, path, choose);
  const text = (node: Node) => (node ? printJson(node) : null);
  const side = choose({ pointer: pointerOf(path), base: text(base), mine: text(mine), theirs: text(theirs) });
  return side === "mine" ? mine : theirs;
}

function members(
  base: Node,
  mine: ObjectNode,
  theirs: ObjectNode,
  path: Path,
  choose: (conflict: Conflict) => Side,
): ObjectNode {
  const added = theirs.members.map(({ key }) => key).filter((key) => !memberOf(mine, key));
  const keys = [...mine.members.map(({ key }) => key), ...added];
  return {
    ...mine,
    members: keys.flatMap((key) => {
      const value = walk(
        memberOf(base, key),
        memberOf(mine, key),
        memberOf(theirs, key),
        [...path, key],
        choose,
      );
      return value ? [{ key, keyFrom: 0, keyTo: 0, value }] : [];
    }),
  };
}
