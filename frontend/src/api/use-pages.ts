import type { InfiniteData, UseInfiniteQueryResult } from "@tanstack/react-query";
import { useMemo } from "react";

/** All rows of the pages that are there, as one answer, and how to get more of them. */
export function usePages<P, R>(query: UseInfiniteQueryResult<InfiniteData<P>>, rows: (page: P) => R[]) {
  const { data, hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is taken of a page does not change
  const all = useMemo(() => data?.pages.flatMap(rows), [data]);
  return {
    query: { data: all, error: query.error, isPending: query.isPending, refetch: query.refetch },
    more: () => void (hasNextPage && !isFetchingNextPage && fetchNextPage()),
  };
}
