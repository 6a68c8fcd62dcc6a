import {
  Ban,
  CircleCheck,
  Ellipsis,
  Eraser,
  Eye,
  KeyRound,
  Link2,
  LogOut,
  RotateCcw,
  ShieldCheck,
  Trash2,
} from "lucide-react";
import type { User } from "@/api/schema.gen";
import { useMe } from "@/app/session";
import { IconButton } from "@/components/ui/button";
import { Menu, MenuItem, MenuSeparator } from "@/components/ui/menu";
import { useMessages } from "@/i18n";
import { usersTexts } from "@/i18n/users";
import type { UserCommands } from "./commands";
import type { Asked } from "./dialogs";
import { type Act, guardsOf } from "./model";

interface UserMenuProps {
  user: User;
  onlyAdmin: boolean;
  /** A local account without a password; null where that is not known. */
  invited?: boolean | null;
  commands: UserCommands;
  onAsk: (asked: Asked) => void;
}

/** What an administrator can do with a user; what the hub would refuse is there, and says why it cannot be chosen. */
export function UserMenu({ user, onlyAdmin, invited = null, commands, onAsk }: UserMenuProps) {
  const m = useMessages(usersTexts);
  const guards = guardsOf(user, useMe(), onlyAdmin);
  const guarded = (act: Act) => {
    const code = guards[act];
    return { disabled: code !== undefined, hint: code && m.errors.codes[code] };
  };
  const ask = (what: Asked["what"]) => () => onAsk({ what, user });
  return (
    <Menu
      trigger={
        <IconButton label={m.users.actionsFor(user.username)}>
          <Ellipsis aria-hidden />
        </IconButton>
      }
    >
      {user.state === "deleted" ? (
        <>
          <MenuItem icon={<RotateCcw aria-hidden />} onSelect={() => commands.restore.mutate(user)}>
            {m.users.restore}
          </MenuItem>
          <MenuSeparator />
          <MenuItem danger icon={<Eraser aria-hidden />} onSelect={ask("erase")}>
            {m.users.erase}
          </MenuItem>
        </>
      ) : (
        <>
          {user.isActive ? (
            <MenuItem icon={<Ban aria-hidden />} {...guarded("deactivate")} onSelect={ask("deactivate")}>
              {m.users.deactivate}
            </MenuItem>
          ) : (
            <MenuItem
              icon={<CircleCheck aria-hidden />}
              onSelect={() => commands.setActive.mutate({ user, active: true })}
            >
              {m.users.activate}
            </MenuItem>
          )}
          <MenuItem
            icon={<ShieldCheck aria-hidden />}
            {...guarded(user.isAdmin ? "demote" : "promote")}
            onSelect={() => commands.setRole.mutate({ user, role: "admin", has: !user.isAdmin })}
          >
            {user.isAdmin ? m.users.demote : m.users.promote}
          </MenuItem>
          <MenuItem
            icon={<Eye aria-hidden />}
            {...guarded(user.isAuditor ? "unaudit" : "audit")}
            onSelect={() => commands.setRole.mutate({ user, role: "auditor", has: !user.isAuditor })}
          >
            {user.isAuditor ? m.users.unaudit : m.users.audit}
          </MenuItem>
          {invited ? (
            <MenuItem icon={<Link2 aria-hidden />} onSelect={ask("invite")}>
              {m.users.inviteAnew}
            </MenuItem>
          ) : null}
          <MenuSeparator />
          <MenuItem icon={<LogOut aria-hidden />} onSelect={ask("signOut")}>
            {m.users.signOut}
          </MenuItem>
          <MenuItem icon={<KeyRound aria-hidden />} onSelect={ask("revokeKeys")}>
            {m.users.revokeKeys}
          </MenuItem>
          <MenuSeparator />
          <MenuItem danger icon={<Trash2 aria-hidden />} {...guarded("remove")} onSelect={ask("remove")}>
            {m.users.remove}
          </MenuItem>
        </>
      )}
    </Menu>
  );
}
