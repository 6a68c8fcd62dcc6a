// What each part of the built interface weighs, gzipped; more than its budget is a failure.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const folder = new URL("../../src/api/static/", import.meta.url).pathname;
const budgets = { entry: 125, route: 60, editor: 160 }; // KB, of 1,000 bytes

const manifest = JSON.parse(readFileSync(`${folder}.vite/manifest.json`, "utf8"));
const weigh = (chunk) => gzipSync(readFileSync(folder + chunk.file), { level: 9 }).length / 1000;

// What comes with the entry before anything is shown counts with it.
const first = new Set();
const gather = (key) => {
  if (first.has(key)) return;
  first.add(key);
  for (const needed of manifest[key].imports ?? []) gather(needed);
};
for (const [key, chunk] of Object.entries(manifest)) if (chunk.isEntry) gather(key);

const sizes = Object.entries(manifest)
  .filter(([key, chunk]) => chunk.file.endsWith(".js") && !first.has(key))
  .map(([key, chunk]) => ({
    name: chunk.name ?? key,
    kind: /editor/.test(chunk.name ?? key) ? "editor" : "route",
    weight: weigh(chunk),
  }))
  .sort((a, b) => b.weight - a.weight);
const entry = [...first].map((key) => manifest[key]).filter((chunk) => chunk.file.endsWith(".js"));
sizes.unshift({
  name: `${entry.length} files`,
  kind: "entry",
  weight: entry.map(weigh).reduce((a, b) => a + b, 0),
});

for (const { name, kind, weight } of sizes.slice(0, 12)) {
  console.log(`${weight.toFixed(1).padStart(7)} KB of ${budgets[kind]}  ${kind.padEnd(7)} ${name}`);
}
const over = sizes.filter(({ kind, weight }) => weight > budgets[kind]);
if (over.length > 0) {
  console.error(
    `over budget: ${over.map(({ name, weight }) => `${name} (${weight.toFixed(1)} KB)`).join(", ")}`,
  );
  process.exit(1);
}
