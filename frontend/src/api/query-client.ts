import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";
import { Problem } from "./problem";

const SIGNED_OUT = new Set(["not_authenticated", "session_ended", "user_inactive", "user_pending"]);
const MOST_TRIES = 2;

/** Is somebody at the wrong door, so that only signing in helps? */
export function isSignedOut(error: unknown): error is Problem {
  return error instanceof Problem && SIGNED_OUT.has(error.code);
}

function passes({ status, code }: Problem): boolean {
  return status === 0 || status >= 502 || code === "not_shown_yet";
}

/**
 * @param onSignedOut told when the hub says that this session is over, whichever request heard it.
 */
export function makeQueryClient(onSignedOut: (problem: Problem) => void): QueryClient {
  const onError = (error: unknown) => {
    if (isSignedOut(error)) onSignedOut(error);
  };
  return new QueryClient({
    queryCache: new QueryCache({ onError }),
    mutationCache: new MutationCache({ onError }),
    defaultOptions: {
      queries: {
        staleTime: 10_000,
        // What the hub refuses it refuses again; what did not arrive may arrive.
        retry: (tries, error) => tries < MOST_TRIES && error instanceof Problem && passes(error),
        retryDelay: (tries) => 500 * 2 ** tries,
        networkMode: "always", // the hub may be on this machine, which needs no network
      },
      mutations: { networkMode: "always" },
    },
  });
}
