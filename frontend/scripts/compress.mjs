// Beside every file that gets smaller by it: .br and .gz, made once here, as Python's standard library has no brotli.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const folder = process.env.MCPHUB_WEB_OUT ?? new URL("../../src/api/static/", import.meta.url).pathname;
const kinds = new Set([".js", ".css", ".html", ".svg", ".json", ".webmanifest"]);
const leastBytes = 1024;

let made = 0;
for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  if (!entry.isFile() || !kinds.has(extname(entry.name)) || path.includes("/.vite/")) continue;
  const bytes = readFileSync(path);
  if (bytes.length < leastBytes) continue;
  writeFileSync(
    `${path}.br`,
    brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
  );
  writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
  made += 1;
}
console.log(`compressed ${made} files`);
