import { texts } from ".";
import { rehearsal as en } from "./en/rehearsal";
import { rehearsal as ko } from "./ko/rehearsal";

export const rehearsalTexts = texts("rehearsal", en, ko);
