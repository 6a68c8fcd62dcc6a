import { texts } from ".";
import { logs as en } from "./en/logs";
import { logs as ko } from "./ko/logs";

export const logsTexts = texts("logs", en, ko);
