import type { Messages } from "@/i18n";
import { common } from "./common";
import { connect } from "./connect";
import { errors } from "./errors";
import { exposure } from "./exposure";
import { groups } from "./groups";
import { profile } from "./profile";
import { servers } from "./servers";
import { settings } from "./settings";
import { shell } from "./shell";
import { signIn } from "./sign-in";
import { toolChanges } from "./tool-changes";
import { tools } from "./tools";

export const ko: Messages = {
  common,
  shell,
  errors,
  signIn,
  connect,
  settings,
  exposure,
  groups,
  servers,
  tools,
  toolChanges,
  profile,
};
