import { texts } from ".";
import { exposure as en } from "./en/exposure";
import { exposure as ko } from "./ko/exposure";

export const exposureTexts = texts("exposure", en, ko);
