import { texts } from ".";
import { access as en } from "./en/access";
import { access as ko } from "./ko/access";

export const accessTexts = texts("access", en, ko);
