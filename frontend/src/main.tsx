import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { LookProvider, storedLook } from "./app/look";
import { load } from "./i18n";
import { queryClient, router } from "./router";
import "./styles.css";

const messages = await load(storedLook().language);
document.documentElement.lang = storedLook().language;

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
