import { useQueryClient } from "@tanstack/react-query";
import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useLayoutEffect,
  useMemo,
  useState,
} from "react";
import { client } from "@/api/client";
import { data } from "@/api/data";
import { meQuery } from "@/app/session";
import { LANGUAGES, type Language, load, MessagesContext, type Spoken } from "@/i18n";
import { type Format, makeFormat } from "@/i18n/format";

export type Theme = "system" | "light" | "dark";
export type Density = "comfortable" | "compact";

/** How this browser shows things. What somebody signed in has chosen is kept by the hub, and here until then. */
export interface LookSettings {
  language: Language;
  theme: Theme;
  density: Density;
  timeZone: string; // "" is the browser's own
}

interface Look extends LookSettings {
  /** What the theme comes down to now. */
  dark: boolean;
  format: Format;
  change: (wanted: Partial<LookSettings>) => void;
}

const KEY = "mcphub.look"; // public/theme.js reads it as well
const LookContext = createContext<Look | null>(null);

export function useLook(): Look {
  const look = useContext(LookContext);
  if (look === null) throw new Error("useLook outside of LookProvider");
  return look;
}

/** How numbers and times are written for this reader. */
export function useFormat(): Format {
  return useLook().format;
}

export function storedLook(): LookSettings {
  let stored: Partial<LookSettings> = {};
  try {
    stored = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<LookSettings>;
  } catch {
    // broken or forbidden: as if nothing was chosen
  }
  const own = navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en";
  return {
    language: stored.language && stored.language in LANGUAGES ? stored.language : own,
    theme: stored.theme === "light" || stored.theme === "dark" ? stored.theme : "system",
    density: stored.density === "compact" ? "compact" : "comfortable",
    timeZone: typeof stored.timeZone === "string" ? stored.timeZone : "",
  };
}

function keep(settings: LookSettings): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // a browser that keeps nothing asks the hub after the next sign-in
  }
}

const SYSTEM_DARK = "(prefers-color-scheme: dark)";

function useSystemDark(): boolean {
  const [dark, setDark] = useState(() => window.matchMedia(SYSTEM_DARK).matches);
  useEffect(() => {
    const query = window.matchMedia(SYSTEM_DARK);
    const look = () => setDark(query.matches);
    query.addEventListener("change", look);
    return () => query.removeEventListener("change", look);
  }, []);
  return dark;
}

/** Language, theme, density and time zone for everything below. The first texts are loaded before it is shown. */
export function LookProvider({ first, children }: { first: Spoken; children: ReactNode }) {
  const queries = useQueryClient();
  const [settings, setSettings] = useState(storedLook);
  const [messages, setMessages] = useState(first);
  const systemDark = useSystemDark();
  const dark = settings.theme === "dark" || (settings.theme === "system" && systemDark);

  const adopt = useCallback((wanted: Partial<LookSettings>) => {
    setSettings((before) => {
      const after = { ...before, ...wanted };
      keep(after);
      return after;
    });
  }, []);

  const change = useCallback(
    (wanted: Partial<LookSettings>) => {
      adopt(wanted);
      if (!queries.getQueryData(meQuery.queryKey)) return;
      // Nobody waits for it, and what fails is tried again with the next choice.
      data(client.PATCH("/api/user/me", { body: wanted }))
        .then((me) => queries.setQueryData(meQuery.queryKey, me))
        .catch(() => undefined);
    },
    [adopt, queries],
  );

  // Whoever signs in brings their own look along.
  useEffect(
    () =>
      queries.getQueryCache().subscribe(({ type, query }) => {
        if (type !== "updated" || query.queryKey[0] !== meQuery.queryKey[0]) return;
        const me = queries.getQueryData(meQuery.queryKey);
        if (!me) return;
        const { language, theme, density, timeZone } = me;
        adopt({
          ...(language === "ko" || language === "en" ? { language } : {}),
          ...(theme === "system" || theme === "light" || theme === "dark" ? { theme } : {}),
          ...(density === "comfortable" || density === "compact" ? { density } : {}),
          timeZone,
        });
      }),
    [queries, adopt],
  );

  useEffect(() => {
    let here = true;
    load(settings.language).then((loaded) => {
      if (!here) return;
      setMessages(loaded);
      document.documentElement.lang = settings.language;
    });
    return () => {
      here = false;
    };
  }, [settings.language]);

  // Before effects below run: plots read the colours of the new theme then.
  useLayoutEffect(() => {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    document.documentElement.dataset.density = settings.density;
  }, [dark, settings.density]);

  const look = useMemo<Look>(
    () => ({ ...settings, dark, format: makeFormat(settings.language, settings.timeZone), change }),
    [settings, dark, change],
  );
  return (
    <LookContext value={look}>
      <MessagesContext value={messages}>{children}</MessagesContext>
    </LookContext>
  );
}
