import { texts } from ".";
import { health as en } from "./en/health";
import { health as ko } from "./ko/health";

export const healthTexts = texts("health", en, ko);
