import { Problem } from "@/api/problem";

export function isNotFound(error: unknown): boolean {
  return error instanceof Problem && error.status === 404;
}
