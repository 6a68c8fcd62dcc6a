import { texts } from ".";
import { adminKeys as en } from "./en/admin-keys";
import { adminKeys as ko } from "./ko/admin-keys";

export const adminKeysTexts = texts("adminKeys", en, ko);
