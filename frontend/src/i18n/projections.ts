import { texts } from ".";
import { projections as en } from "./en/projections";
import { projections as ko } from "./ko/projections";

export const projectionsTexts = texts("projections", en, ko);
