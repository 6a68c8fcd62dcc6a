import { texts } from ".";
import { audit as en } from "./en/audit";
import { audit as ko } from "./ko/audit";

export const auditTexts = texts("audit", en, ko);
