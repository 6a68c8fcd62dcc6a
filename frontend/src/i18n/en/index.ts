import { common } from "./common";
import { connect } from "./connect";
import { errors } from "./errors";
import { settings } from "./settings";
import { shell } from "./shell";
import { signIn } from "./sign-in";

export const en = { common, shell, errors, signIn, connect, settings };
