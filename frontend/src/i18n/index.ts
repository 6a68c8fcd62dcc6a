import { createContext, useContext } from "react";
import type { en } from "./en";

/** The shape every language has: what is a text in English is a text, what is a function takes the same. */
type Shape<T> = {
  [K in keyof T]: T[K] extends string
    ? string
    : T[K] extends (...values: infer V) => string
      ? (...values: V) => string
      : Shape<T[K]>;
};

export type Messages = Shape<typeof en>;
export type Language = "en" | "ko";

export const LANGUAGES: Record<Language, string> = { ko: "한국어", en: "English" };

/** Loads one language; the other is never fetched unless somebody switches. */
export async function load(language: Language): Promise<Messages> {
  return language === "ko" ? (await import("./ko")).ko : (await import("./en")).en;
}

export const MessagesContext = createContext<Messages | null>(null);

/** The texts of the present language: `const m = useMessages(); m.connect.title`. */
export function useMessages(): Messages {
  const messages = useContext(MessagesContext);
  if (messages === null) throw new Error("useMessages outside of LookProvider");
  return messages;
}
