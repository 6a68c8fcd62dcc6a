import { texts } from ".";
import { settings as en } from "./en/settings";
import { settings as ko } from "./ko/settings";

export const settingsTexts = texts("settings", en, ko);
