import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { UserSearch } from "lucide-react";
import { useDeferredValue, useId } from "react";
import { accessQuery } from "@/api/access";
import { serversQuery } from "@/api/servers";
import { userQuery } from "@/api/users";
import { AsOf } from "@/components/as-of";
import { Page } from "@/components/page";
import { EmptyState, Loaded, SkeletonRows } from "@/components/states";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";
import { Select } from "@/components/ui/select";
import { useMessages } from "@/i18n";
import { accessTexts } from "@/i18n/access";
import { adminKeysTexts } from "@/i18n/admin-keys";
import { pastTexts } from "@/i18n/past";
import { toNow } from "@/lib/at";
import { DefinitionThen } from "./definition-then";
import { addressOf, safeAddress, WHOLE } from "./model";
import { Result } from "./result";
import { type Filter, MODES, type Mode } from "./search";
import { UserPicker } from "./user-picker";
import { Why } from "./why";

const route = getRouteApi("/_app/admin/access");

/** What a user sees, and why not more. Everything asked stands in the address, but for a key. */
export function AccessPage() {
  const m = useMessages(accessTexts, adminKeysTexts, pastTexts);
  const { user = "", url = WHOLE, key = "", mode = "auto", only = "", at = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const list = useId();
  const servers = useQuery(serversQuery).data ?? [];
  const keys = useQuery({ ...userQuery(user), enabled: user !== "" }).data?.keys ?? [];
  const address = useDeferredValue(addressOf(url, mode));
  const query = useQuery({ ...accessQuery(user, address, key, at), enabled: user !== "" });
  const change = (
    wanted: { user?: string; url?: string; key?: string; mode?: Mode; only?: Filter },
    replace = false,
  ) =>
    void navigate({
      search: (now) => {
        const next = { ...now, ...wanted };
        if (next.url === WHOLE) next.url = "";
        return Object.fromEntries(
          Object.entries(next).filter(([name, value]) => value && !(name === "mode" && value === "auto")),
        );
      },
      replace,
    });
  return (
    <Page title={m.access.title} subtitle={at ? m.past.recordedTools : m.access.subtitle}>
      {at ? <AsOf at={at} onNow={() => void navigate({ search: toNow })} className="-mx-4.5 mb-3" /> : null}
      <div className="grid gap-3 pb-3 sm:grid-cols-2 xl:grid-cols-[minmax(0,1.2fr)_minmax(0,1.2fr)_minmax(0,1fr)_200px]">
        <Field label={m.access.user}>
          {({ id }) => <UserPicker id={id} value={user} onChange={(id) => change({ user: id, key: "" })} />}
        </Field>
        <Field label={m.access.address}>
          {(parts) => (
            <>
              <Input
                {...parts}
                list={list}
                className="font-mono"
                spellCheck={false}
                autoComplete="off"
                value={url}
                onChange={(event) => change({ url: safeAddress(event.target.value) }, true)}
              />
              <datalist id={list}>
                <option value={WHOLE}>{m.access.addresses.all}</option>
                {servers.map(({ slug, name }) => (
                  <option key={slug} value={`${WHOLE}/${slug}`}>
                    {name}
                  </option>
                ))}
              </datalist>
            </>
          )}
        </Field>
        <Field label={m.access.key}>
          {({ id }) => (
            <Select
              id={id}
              label={m.access.key}
              disabled={keys.length === 0}
              value={key}
              onChange={(wanted) => change({ key: wanted })}
              options={[
                { value: "", label: m.access.noKey },
                ...keys.map((one) => ({
                  value: one.id,
                  label: `${one.name} · ${m.adminKeys.states[one.state]}`,
                })),
              ]}
            />
          )}
        </Field>
        <Field label={m.access.mode}>
          {({ id }) => (
            <Select
              id={id}
              label={m.access.mode}
              value={mode}
              onChange={(wanted) => change({ mode: wanted })}
              options={MODES.map((value) => ({ value, label: m.access.modes[value] }))}
            />
          )}
        </Field>
      </div>
      {user === "" ? (
        <EmptyState icon={<UserSearch aria-hidden />} title={m.access.pickFirst}>
          {m.access.pickFirstText}
        </EmptyState>
      ) : (
        <Loaded query={query} skeleton={<SkeletonRows rows={8} />}>
          {(access) => (
            <Result
              access={access}
              none={at ? m.past.noTools : undefined}
              filter={only}
              why={(server, tool) => <Why asked={{ user, server, tool, url: address, keyId: key, at }} />}
              listed={
                at
                  ? (name) => <DefinitionThen name={name} asked={{ user, url: address, keyId: key, at }} />
                  : undefined
              }
              onFilter={(wanted) => change({ only: wanted })}
              end={
                <Link
                  to="/admin/users/$userId"
                  params={{ userId: user }}
                  className="text-accent text-sm underline"
                >
                  {m.access.openUser}
                </Link>
              }
            />
          )}
        </Loaded>
      )}
    </Page>
  );
}
