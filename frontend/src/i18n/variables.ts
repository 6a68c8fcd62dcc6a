import { texts } from ".";
import { variables as en } from "./en/variables";
import { variables as ko } from "./ko/variables";

export const variablesTexts = texts("variables", en, ko);
