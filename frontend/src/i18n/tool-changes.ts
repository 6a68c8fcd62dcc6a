import { texts } from ".";
import { toolChanges as en } from "./en/tool-changes";
import { toolChanges as ko } from "./ko/tool-changes";

export const toolChangesTexts = texts("toolChanges", en, ko);
