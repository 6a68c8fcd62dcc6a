import { texts } from ".";
import { undo as en } from "./en/undo";
import { undo as ko } from "./ko/undo";

export const undoTexts = texts("undo", en, ko);
