import { texts } from ".";
import { groups as en } from "./en/groups";
import { groups as ko } from "./ko/groups";

export const groupsTexts = texts("groups", en, ko);
