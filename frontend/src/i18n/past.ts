import { texts } from ".";
import { past as en } from "./en/past";
import { past as ko } from "./ko/past";

export const pastTexts = texts("past", en, ko);
