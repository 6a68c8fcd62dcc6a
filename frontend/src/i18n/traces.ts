import { texts } from ".";
import { traces as en } from "./en/traces";
import { traces as ko } from "./ko/traces";

export const tracesTexts = texts("traces", en, ko);
