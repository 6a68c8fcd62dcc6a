import type { HealthCheck, HubNode } from "@/api/schema.gen";
import type { MessagesWith } from "@/i18n";
import { bytes, type Format } from "@/i18n/format";
import type { healthTexts } from "@/i18n/health";

type Codes = (typeof healthTexts)["en"]["found"];
type Said = (values: Record<string, string>) => string;

const BYTES = new Set(["free", "total"]);
const AGES = new Set(["age"]); // seconds

/** What was found in a part, in a sentence; the code itself where there is none for it. */
export function foundText(
  { name, code, values, items }: Pick<HealthCheck, "name" | "code" | "values" | "items">,
  m: MessagesWith<typeof healthTexts>,
  format: Format,
): string {
  const codes = m.health.found[name as keyof Codes] as Record<string, Said> | undefined;
  const say = codes?.[code] ?? m.health.silent[code as keyof typeof m.health.silent];
  if (!say) return code;
  const written = Object.entries(values).map(([key, value]) => [
    key,
    BYTES.has(key)
      ? bytes(value)
      : AGES.has(key)
        ? format.relative(new Date(0), new Date(value * 1000))
        : format.number(value),
  ]);
  return say({ ...Object.fromEntries(written), items: items.join(", ") });
}

/** How a node stands: it works, it leaves, or nothing is heard of it any more. */
export function standing(node: Pick<HubNode, "living" | "draining">): "works" | "leaving" | "gone" {
  if (!node.living) return "gone";
  return node.draining ? "leaving" : "works";
}

/** What to do about a part that is not well; empty when it is. */
export function remedyText(
  { name, status }: Pick<HealthCheck, "name" | "status">,
  m: MessagesWith<typeof healthTexts>,
): string {
  if (status === "ok") return "";
  return m.health.remedies[name as keyof typeof m.health.remedies] ?? "";
}
