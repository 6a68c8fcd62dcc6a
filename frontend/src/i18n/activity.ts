import { texts } from ".";
import { activity as en } from "./en/activity";
import { activity as ko } from "./ko/activity";

export const activityTexts = texts("activity", en, ko);
