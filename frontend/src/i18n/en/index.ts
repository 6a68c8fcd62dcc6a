import { common } from "./common";
import { errors } from "./errors";
import { shell } from "./shell";

/** What every page needs; the rest comes with the pages that show it. */
export const en = { common, shell, errors };
