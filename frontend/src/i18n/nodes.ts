import { texts } from ".";
import { nodes as en } from "./en/nodes";
import { nodes as ko } from "./ko/nodes";

export const nodesTexts = texts("nodes", en, ko);
