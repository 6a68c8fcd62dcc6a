const NAMES: Record<string, string> = { github: "GitHub", google: "Google", oidc: "OpenID Connect" };

export function providerName(provider: string): string {
  return NAMES[provider] ?? provider;
}

/** Where signing in with a provider begins. */
export function providerLink(provider: string, next: string): string {
  const way = provider === "github" ? "/api/oauth/github" : `/api/oauth/oidc/${encodeURIComponent(provider)}`;
  return next === "/" ? way : `${way}?next=${encodeURIComponent(next)}`;
}

/** Is it the account, not the attempt, that keeps somebody out? They get a page of their own. */
export function waits(code: string): boolean {
  return code === "user_pending" || code === "user_inactive";
}

export const LEAST_PASSWORD = 12; // characters
