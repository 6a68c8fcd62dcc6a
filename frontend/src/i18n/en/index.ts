import { access } from "./access";
import { activity } from "./activity";
import { adminKeys } from "./admin-keys";
import { audiences } from "./audiences";
import { audit } from "./audit";
import { common } from "./common";
import { config } from "./config";
import { connect } from "./connect";
import { errors } from "./errors";
import { exposure } from "./exposure";
import { groups } from "./groups";
import { health } from "./health";
import { logs } from "./logs";
import { overview } from "./overview";
import { profile } from "./profile";
import { requests } from "./requests";
import { servers } from "./servers";
import { sessions } from "./sessions";
import { settings } from "./settings";
import { shell } from "./shell";
import { signIn } from "./sign-in";
import { toolChanges } from "./tool-changes";
import { tools } from "./tools";
import { users } from "./users";

import { variables } from "./variables";

export const en = {
  common,
  shell,
  errors,
  signIn,
  connect,
  config,
  settings,
  exposure,
  groups,
  profile,
  servers,
  tools,
  toolChanges,
  requests,
  sessions,
  access,
  adminKeys,
  audiences,
  users,
  activity,
  audit,
  health,
  logs,
  overview,
  variables,
};
