import { texts } from ".";
import { overview as en } from "./en/overview";
import { overview as ko } from "./ko/overview";

export const overviewTexts = texts("overview", en, ko);
