import { texts } from ".";
import { sessions as en } from "./en/sessions";
import { sessions as ko } from "./ko/sessions";

export const sessionsTexts = texts("sessions", en, ko);
