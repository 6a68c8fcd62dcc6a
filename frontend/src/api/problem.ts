import type { Messages } from "@/i18n";
import type { FieldProblem, ProblemDetails } from "./schema.gen";

/** What went wrong with a request, as the hub says it: RFC 9457 with a stable code. Thrown by `api`. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly requestId: string;
  readonly errors: FieldProblem[];
  /** Seconds to wait; null when the hub did not say. */
  readonly retryAfter: number | null;

  constructor(problem: {
    status: number;
    code: string;
    title: string;
    detail?: string;
    requestId?: string;
    errors?: ProblemDetails["errors"];
    retryAfter?: number | null;
  }) {
    super(problem.title);
    this.name = "Problem";
    this.status = problem.status;
    this.code = problem.code;
    this.detail = problem.detail ?? "";
    this.requestId = problem.requestId ?? "";
    this.errors = problem.errors ?? [];
    this.retryAfter = problem.retryAfter ?? null;
  }

  /** The text for a field of the request, by JSON pointer; undefined when nothing is wrong with it. */
  field(pointer: string, m: Messages): string | undefined {
    const found = this.errors.find((error) => error.pointer === pointer);
    return found && (sentence(found.code, m) ?? found.detail);
  }
}

/** Reads a refused answer. What is no problem document, as from a proxy on the way, becomes one. */
export async function problemOf(response: Response): Promise<Problem> {
  const retryAfter = Number(response.headers.get("retry-after")) || null;
  const requestId = response.headers.get("x-request-id") ?? "";
  try {
    const body: Partial<ProblemDetails> = await response.clone().json();
    if (typeof body.code === "string") {
      return new Problem({
        status: response.status,
        code: body.code,
        title: body.title ?? body.code,
        detail: body.detail,
        requestId: body.requestId || requestId,
        errors: body.errors,
        retryAfter,
      });
    }
  } catch {
    // not JSON
  }
  const code = response.status >= 502 ? "unreachable" : "internal_error";
  return new Problem({ status: response.status, code, title: response.statusText, requestId, retryAfter });
}

export function unreachable(): Problem {
  return new Problem({ status: 0, code: "unreachable", title: "The hub does not answer." });
}

/** Any thrown value as a problem; what is none is a mistake of this page. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const title = error instanceof Error ? error.message : String(error);
  return new Problem({ status: 0, code: "page_error", title });
}

/** What happened and what to do, in the reader's language; the hub's own words for a code nobody translated. */
export function explain(error: unknown, m: Messages): string {
  const problem = asProblem(error);
  const text = sentence(problem.code, m) ?? [problem.message, problem.detail].filter(Boolean).join(" ");
  const wait = problem.retryAfter === null ? "" : ` ${m.errors.retryAfter(String(problem.retryAfter))}`;
  return text + wait;
}

function sentence(code: string, m: Messages): string | undefined {
  return code in m.errors.codes ? m.errors.codes[code as keyof typeof m.errors.codes] : undefined;
}
