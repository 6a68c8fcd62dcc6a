import { texts } from ".";
import { profile as en } from "./en/profile";
import { profile as ko } from "./ko/profile";

export const profileTexts = texts("profile", en, ko);
