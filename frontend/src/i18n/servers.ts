import { texts } from ".";
import { servers as en } from "./en/servers";
import { servers as ko } from "./ko/servers";

export const serversTexts = texts("servers", en, ko);
