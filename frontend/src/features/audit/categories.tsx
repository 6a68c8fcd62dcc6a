import {
  Archive,
  CircleDashed,
  Download,
  FileCog,
  Key,
  KeyRound,
  LogIn,
  type LucideIcon,
  Network,
  ShieldCheck,
  ShieldX,
  User,
  Users,
} from "lucide-react";
import type { Series } from "@/components/plots/histogram";
import { useMessages } from "@/i18n";
import { auditTexts } from "@/i18n/audit";
import { cn } from "@/lib/cn";
import { failed, type Item } from "./model";

export type Category = keyof typeof auditTexts.en.categories;

const LOOKS: Record<Category, { icon: LucideIcon; colour: string }> = {
  users: { icon: User, colour: "var(--cat-user)" },
  roles: { icon: ShieldCheck, colour: "var(--cat-access)" },
  "sign-in": { icon: LogIn, colour: "var(--cat-session)" },
  keys: { icon: Key, colour: "var(--cat-access)" },
  values: { icon: KeyRound, colour: "var(--cat-secret)" },
  groups: { icon: Users, colour: "var(--cat-group)" },
  servers: { icon: Network, colour: "var(--cat-server)" },
  settings: { icon: FileCog, colour: "var(--accent)" },
  history: { icon: Archive, colour: "var(--cat-system)" },
  refused: { icon: ShieldX, colour: "var(--bad)" },
  export: { icon: Download, colour: "var(--warn)" },
  other: { icon: CircleDashed, colour: "var(--cat-system)" },
};

/** Roles are of the category of users; they look like what they are. */
function categoryOf(item: Item): Category {
  if (/^(Admin|Auditor)/.test(item.type)) return "roles";
  return item.category in LOOKS ? (item.category as Category) : "other";
}

export function CategoryIcon({ item, className }: { item: Item; className?: string }) {
  const m = useMessages(auditTexts);
  const category = categoryOf(item);
  const { icon: Icon, colour } = LOOKS[category];
  return (
    <Icon
      role="img"
      aria-label={m.audit.categories[category]}
      className={cn("size-4 shrink-0", className)}
      style={{ color: failed(item) ? "var(--bad)" : colour }}
    />
  );
}

/** The kinds a plot stacks, as the hub counts them. */
export function useSeries(): Series[] {
  const m = useMessages(auditTexts);
  return (Object.keys(LOOKS) as Category[])
    .filter((id) => id !== "roles")
    .map((id) => ({ id, label: m.audit.categories[id], color: LOOKS[id].colour }));
}
