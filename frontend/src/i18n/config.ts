import { texts } from ".";
import { config as en } from "./en/config";
import { config as ko } from "./ko/config";

export const configTexts = texts("config", en, ko);
