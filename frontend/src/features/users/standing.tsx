import { CircleCheck, Clock, Eye, Lock, ShieldCheck, Trash2 } from "lucide-react";
import type { User } from "@/api/schema.gen";
import { Badge, type Tone } from "@/components/ui/badge";
import { useMessages } from "@/i18n";
import { usersTexts } from "@/i18n/users";

const STATES: Record<User["state"], { tone: Tone; icon: typeof Clock }> = {
  active: { tone: "ok", icon: CircleCheck },
  pending: { tone: "warn", icon: Clock },
  inactive: { tone: "neutral", icon: Lock },
  deleted: { tone: "bad", icon: Trash2 },
};

export function StateBadge({ state }: { state: User["state"] }) {
  const m = useMessages(usersTexts);
  const { tone, icon: Icon } = STATES[state];
  return (
    <Badge tone={tone} icon={<Icon aria-hidden />}>
      {m.users.states[state]}
    </Badge>
  );
}

export function Roles({ user }: { user: Pick<User, "isAdmin" | "isAuditor"> }) {
  const m = useMessages();
  return (
    <span className="flex items-center gap-1">
      {user.isAdmin ? (
        <Badge tone="accent" icon={<ShieldCheck aria-hidden />}>
          {m.shell.role.admin}
        </Badge>
      ) : null}
      {user.isAuditor ? <Badge icon={<Eye aria-hidden />}>{m.shell.role.auditor}</Badge> : null}
      {user.isAdmin || user.isAuditor ? null : (
        <span className="text-ink-3 text-sm">{m.shell.role.user}</span>
      )}
    </span>
  );
}
