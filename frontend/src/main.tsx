import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { toast } from "sonner";
import { LookProvider, storedLook } from "./app/look";
import { load } from "./i18n";
import { queryClient, router } from "./router";
import "./styles.css";

const messages = await load(storedLook().language);
document.documentElement.lang = storedLook().language;

// A tab left open over an upgrade asks for parts that are gone.
window.addEventListener("vite:preloadError", (event) => {
  event.preventDefault();
  toast(messages.shell.newVersion, {
    id: "new-version",
    duration: Number.POSITIVE_INFINITY,
    action: { label: messages.common.reload, onClick: () => window.location.reload() },
  });
});

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <LookProvider first={messages}>
        <RouterProvider router={router} />
      </LookProvider>
    </QueryClientProvider>
  </StrictMode>,
);
