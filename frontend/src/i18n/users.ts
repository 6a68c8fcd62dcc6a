import { texts } from ".";
import { users as en } from "./en/users";
import { users as ko } from "./ko/users";

export const usersTexts = texts("users", en, ko);
