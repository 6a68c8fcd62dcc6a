import { texts } from ".";
import { audiences as en } from "./en/audiences";
import { audiences as ko } from "./ko/audiences";

export const audiencesTexts = texts("audiences", en, ko);
