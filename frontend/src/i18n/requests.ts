import { texts } from ".";
import { requests as en } from "./en/requests";
import { requests as ko } from "./ko/requests";

export const requestsTexts = texts("requests", en, ko);
