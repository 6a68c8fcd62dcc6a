import { Problem } from "./problem";

/** Of an answer's two forms, "here it is" and "recorded, and not to be seen yet", the first. */
type WithData<A> = Extract<A, { data: unknown }>;

interface Answer<A> {
  data?: A;
  response: Response;
}

/** The `data` of an answer: `data(client.GET("/api/user/me"))`.
 *
 * @throws Problem when the hub refused, or when the answer is "recorded, and not to be seen yet" (202).
 */
export async function data<A>(answer: Promise<Answer<A>>): Promise<WithData<A>["data"]> {
  return (await whole(answer)).data;
}

/** The whole envelope, for answers with a page or with more than `data`.
 *
 * @throws Problem as `data`.
 */
export async function whole<A>(answer: Promise<Answer<A>>): Promise<WithData<A>> {
  const { data: envelope, response } = await answer;
  if (envelope === undefined || envelope === null || !("data" in (envelope as object))) {
    throw new Problem({ status: response.status, code: "not_shown_yet", title: "Not to be seen yet." });
  }
  return envelope as WithData<A>;
}
