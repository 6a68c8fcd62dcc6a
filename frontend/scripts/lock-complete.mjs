// npm leaves optional packages out of the lock when it cannot find them, and `npm ci` then fails elsewhere.
import { readFileSync } from "node:fs";

const { packages } = JSON.parse(readFileSync(new URL("../package-lock.json", import.meta.url), "utf8"));
const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
  Object.keys(optionalDependencies)
    .filter((name) => !(`node_modules/${name}` in packages) && !(`${path}/node_modules/${name}` in packages))
    .map((name) => `${path || "(this package)"} wants ${name}`),
);
if (missing.length > 0) {
  console.error(`package-lock.json is incomplete:\n  ${missing.join("\n  ")}`);
  process.exit(1);
}
