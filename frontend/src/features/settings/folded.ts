const KEY = "mcphub.settings.folded";

function all(): string[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(stored) ? stored.filter((name) => typeof name === "string") : [];
  } catch {
    return [];
  }
}

/** Has this browser folded the server's section? */
export function isFolded(server: string): boolean {
  return all().includes(server);
}

export function keepFolded(server: string, folded: boolean): void {
  const others = all().filter((name) => name !== server);
  try {
    localStorage.setItem(KEY, JSON.stringify(folded ? [...others, server] : others));
  } catch {
    // then it is open again next time
  }
}
