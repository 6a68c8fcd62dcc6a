import createClient, { type Middleware } from "openapi-fetch";
import { problemOf, unreachable } from "./problem";
import type { paths } from "./schema.gen";

const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);

/** Proves to the hub that a change comes from its own page; the cookie is readable on purpose. */
export function csrfToken(): string {
  const found = /(?:^|; )mcphub_csrf=([^;]+)/.exec(document.cookie);
  return found?.[1] ?? "";
}

/** The position of the last change this page made; reads wait until it shows, so nothing flickers back. */
let lastPosition = 0;

const throughTheDoor: Middleware = {
  onRequest({ request }) {
    // What the hub words itself is in the page's language, not in that of the browser.
    request.headers.set("Accept-Language", document.documentElement.lang);
    if (SAFE.has(request.method)) {
      if (lastPosition > 0) request.headers.set("X-MCPHub-Min-Position", String(lastPosition));
    } else {
      request.headers.set("X-CSRF-Token", csrfToken());
    }
    return request;
  },
  async onResponse({ request, response }) {
    if (!response.ok) throw await problemOf(response);
    const position = Number(response.headers.get("x-mcphub-position"));
    if (!SAFE.has(request.method) && position > lastPosition) lastPosition = position;
    return response;
  },
  onError({ error }) {
    return error instanceof TypeError ? unreachable() : undefined;
  },
};

/** The hub's API, typed by its own description. Every refusal is thrown as a `Problem`. */
export const client = createClient<paths>();
client.use(throughTheDoor);

/** Where the ledger stood when this page's last change was in it: for `View event #…`. */
export function positionOf(response: Response): number | null {
  return Number(response.headers.get("x-mcphub-position")) || null;
}
