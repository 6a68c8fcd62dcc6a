import { texts } from ".";
import { signIn as en } from "./en/sign-in";
import { signIn as ko } from "./ko/sign-in";

export const signInTexts = texts("signIn", en, ko);
