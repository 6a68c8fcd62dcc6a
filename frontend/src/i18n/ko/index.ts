import type { Messages } from "@/i18n";
import { common } from "./common";
import { errors } from "./errors";
import { shell } from "./shell";

export const ko: Messages = { common, shell, errors };
