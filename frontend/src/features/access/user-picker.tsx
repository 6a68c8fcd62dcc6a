import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useDeferredValue, useState } from "react";
import type { User } from "@/api/schema.gen";
import { userQuery, usersQuery } from "@/api/users";
import { Combobox } from "@/components/ui/combobox";
import { useMessages } from "@/i18n";
import { accessTexts } from "@/i18n/access";

const named = ({ username, displayName }: User) => (displayName ? `${username} · ${displayName}` : username);

/** One of all users, found by the hub: there may be more than a page wants to know. */
export function UserPicker({
  id,
  value,
  onChange,
}: {
  id?: string;
  value: string;
  onChange: (userId: string) => void;
}) {
  const m = useMessages(accessTexts);
  const [typed, setTyped] = useState("");
  const chosen = useQuery({ ...userQuery(value), enabled: value !== "" }).data?.user;
  // The field's own text, once somebody is chosen, is no search.
  const q = useDeferredValue(chosen && typed === named(chosen) ? "" : typed.trim());
  const found = useInfiniteQuery(usersQuery({ q })).data?.pages[0]?.data ?? [];
  const users = chosen && !found.some(({ id: one }) => one === chosen.id) ? [chosen, ...found] : found;
  return (
    <Combobox
      key={chosen?.id ?? ""}
      id={id}
      label={m.access.user}
      placeholder={m.access.pickUser}
      options={users.map((user) => ({ value: user.id, label: named(user) }))}
      value={value || null}
      onChange={(wanted) => onChange(wanted ?? "")}
      onType={setTyped}
    />
  );
}
