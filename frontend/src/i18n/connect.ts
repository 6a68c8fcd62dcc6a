import { texts } from ".";
import { connect as en } from "./en/connect";
import { connect as ko } from "./ko/connect";

export const connectTexts = texts("connect", en, ko);
