import { useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import type { Me } from "@/api/schema.gen";
import { meQuery, safeNext } from "@/app/session";

/** Goes in with whoever has just signed in. */
export function useEnter(): (me: Me, next?: string) => void {
  const queries = useQueryClient();
  const router = useRouter();
  return (me, next) => {
    queries.clear(); // whoever was here before is somebody else
    queries.setQueryData(meQuery.queryKey, me);
    router.history.push(safeNext(next));
  };
}
