// Are the generated files what they are generated from? Types come from openapi.json, the route tree from the folder.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Generator, getConfig } from "@tanstack/router-generator";

const root = new URL("..", import.meta.url).pathname;
const scratch = mkdtempSync(join(tmpdir(), "mcphub-generated-"));
const fresh = join(scratch, "fresh.d.ts");
const stale = [];
try {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const command = scripts.types.replace("src/api/schema.gen.d.ts", fresh).split(" ");
  execFileSync(join(root, "node_modules/.bin", command[0]), command.slice(1), { cwd: root, stdio: "pipe" });
  if (readFileSync(fresh, "utf8") !== readFileSync(join(root, "src/api/schema.gen.d.ts"), "utf8")) {
    stale.push("src/api/schema.gen.d.ts is not what openapi.json says");
  }
  const tree = join(root, "src/routeTree.gen.ts");
  const before = readFileSync(tree, "utf8");
  await new Generator({ config: getConfig({}, root), root }).run();
  if (readFileSync(tree, "utf8") !== before && !process.argv.includes("--write"))
    stale.push("src/routeTree.gen.ts was stale, and is written anew");
} finally {
  rmSync(scratch, { recursive: true });
}
if (stale.length > 0) {
  console.error(`${stale.join("\n")}\nrepaired by: ./hub fix`);
  process.exit(1);
}
