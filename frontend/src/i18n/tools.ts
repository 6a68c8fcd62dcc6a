import { texts } from ".";
import { tools as en } from "./en/tools";
import { tools as ko } from "./ko/tools";

export const toolsTexts = texts("tools", en, ko);
