import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import { tanstackRouter } from "@tanstack/router-plugin/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// Where ./hub dev has the hub; the page itself is served on 5173 then.
const hub = process.env.MCPHUB_DEV_BACKEND ?? "http://127.0.0.1:3000";
const passedOn = ["/api", "/mcp", "/oauth", "/health", "/config", "/login/config"];

export default defineConfig({
  plugins: [tanstackRouter({ target: "react", autoCodeSplitting: true }), react(), tailwindcss()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    // Into the Python package, which serves it. It lies outside this folder, so emptying it has to be said.
    // ./hub names a folder of its own, which takes that place when it is complete.
    outDir: process.env.MCPHUB_WEB_OUT ?? "../src/api/static",
    emptyOutDir: true,
    manifest: true,
    target: "es2022",
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            // What the first page waits for, in one file beside the entry, which only starts it.
            {
              name: "first",
              tags: ["$initial"],
              test: (id: string) => !/\/(index\.html|src\/main\.tsx)$/.test(id),
              priority: 2,
            },
            // The entry names every file there is: one for each icon would weigh more there than the icons do.
            { name: "icons", test: /[\\/]lucide-react[\\/]/, priority: 1 },
          ],
        },
      },
    },
    assetsInlineLimit: 0, // the policy allows fonts and scripts from the hub only, and no data: addresses of them
    chunkSizeWarningLimit: 600, // scripts/budget.mjs is what watches sizes
  },
  server: {
    host: process.env.MCPHUB_DEV_HOST ?? "127.0.0.1",
    port: 5173,
    strictPort: true,
    proxy: Object.fromEntries(
      passedOn.map((path) => [
        path,
        {
          target: hub,
          changeOrigin: true,
          // The hub takes changes from its own pages only: to it, this one is.
          headers: { origin: hub },
          // Addresses that data and pages share are pages for a browser that goes there.
          bypass: (request: { url?: string; headers: { accept?: string } }) =>
            path === "/config" && request.headers.accept?.includes("text/html") ? request.url : undefined,
        },
      ]),
    ),
  },
});
