import { createContext, useContext } from "react";
import type { en } from "./en";

/** The shape every language has: what is a text in English is a text, what is a function takes the same. */
export type Shape<T> = {
  [K in keyof T]: T[K] extends string
    ? string
    : T[K] extends (...values: infer V) => string
      ? (...values: V) => string
      : Shape<T[K]>;
};

/** What every page needs: shared words, the frame, problems. */
export type Messages = Shape<typeof en>;
export type Language = "en" | "ko";

export const LANGUAGES: Record<Language, string> = { ko: "한국어", en: "English" };

/** The texts of one feature. They come with the code that imports them, in both languages: a few hundred bytes more
 * than one of them, and nothing to wait for when somebody switches. */
export interface Texts<N extends string = string, S = unknown> {
  name: N;
  en: S;
  ko: S;
}

/** `export const thingsTexts = texts("things", en, ko)`; a text that Korean lacks is a type error. */
export function texts<N extends string, T>(name: N, en: T, ko: Shape<T>): Texts<N, Shape<T>> {
  return { name, en: en as Shape<T>, ko };
}

/** What `useMessages(thingsTexts)` gives: `MessagesWith<typeof thingsTexts>`. */
export type MessagesWith<T extends Texts> = Messages & {
  [N in T["name"]]: Extract<T, { name: N }>["en"];
};

export interface Spoken {
  language: Language;
  messages: Messages;
}

/** Loads what every page needs in one language; the other is never fetched unless somebody switches. */
export async function load(language: Language): Promise<Spoken> {
  const messages = language === "ko" ? (await import("./ko")).ko : (await import("./en")).en;
  return { language, messages };
}

export const MessagesContext = createContext<Spoken | null>(null);

const composed = new Map<string, unknown>();

/** The texts of the present language: `const m = useMessages(connectTexts); m.connect.title; m.common.save`.
 * The same object for the same question, so that it may stand among dependencies. */
export function useMessages<T extends Texts[]>(...features: T): MessagesWith<T[number]> {
  const spoken = useContext(MessagesContext);
  if (spoken === null) throw new Error("useMessages outside of LookProvider");
  const { language, messages } = spoken;
  const key = [language, ...features.map(({ name }) => name)].join();
  let all = composed.get(key);
  if (all === undefined) {
    all = Object.assign({}, messages, ...features.map((feature) => ({ [feature.name]: feature[language] })));
    composed.set(key, all);
  }
  return all as MessagesWith<T[number]>;
}
