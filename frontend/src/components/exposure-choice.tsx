import { useQueries, useQuery } from "@tanstack/react-query";
import { mayGrow, myAccessQuery } from "@/api/my-access";
import { type ExposureMode, MODES, useChangePreferences } from "@/api/preferences";
import type { SimulatorAccess } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { useMe } from "@/app/session";
import { useToast } from "@/app/use-toast";
import { useMessages } from "@/i18n";
import { exposureTexts } from "@/i18n/exposure";
import { cn } from "@/lib/cn";

/** How a client's list looks, each way with how long the list gets; one press changes it for every client. */
export function ExposureChoice() {
  const m = useMessages(exposureTexts);
  const me = useMe();
  const format = useFormat();
  const toast = useToast();
  const change = useChangePreferences();
  const lists = useQueries({ queries: MODES.map((mode) => myAccessQuery(`/mcp?mode=${mode}`)) });
  const present = (MODES as string[]).includes(me.exposureMode) ? (me.exposureMode as ExposureMode) : "auto";

  const choose = (mode: ExposureMode) => {
    if (mode === present) return;
    change.mutate(
      { exposureMode: mode },
      {
        onSuccess: ({ position }) =>
          toast.done(m.exposure.changed(m.exposure.names[mode]), {
            position,
            undo: () => change.mutate({ exposureMode: present }),
          }),
        onError: toast.failed,
      },
    );
  };

  return (
    <fieldset className="grid gap-2 md:grid-cols-2">
      <legend className="sr-only">{m.exposure.title}</legend>
      {MODES.map((mode, at) => {
        const list = lists[at]?.data;
        return (
          <label
            key={mode}
            className={cn(
              "grid cursor-pointer grid-cols-[auto_minmax(0,1fr)_auto] content-start items-baseline gap-x-2 rounded-md border px-3 py-2 transition-colors duration-150 has-focus-visible:outline-2 has-focus-visible:outline-accent has-focus-visible:outline-offset-1",
              mode === present ? "border-accent-line bg-accent-soft" : "border-line hover:bg-raised",
            )}
          >
            <input
              type="radio"
              name="exposure"
              value={mode}
              checked={mode === present}
              onChange={() => choose(mode)}
              className="size-3.5 self-center accent-accent focus-visible:outline-none"
            />
            <span className="font-semibold">{m.exposure.names[mode]}</span>
            <span className="text-ink-2 text-xs tabular-nums" data-count={list?.listed.length}>
              {list ? m.exposure.lists(format.number(list.listed.length) + more(list)) : ""}
            </span>
            <span className="col-span-2 col-start-2 text-ink-2 text-xs">{m.exposure.hints[mode]}</span>
          </label>
        );
      })}
    </fieldset>
  );
}

/** The present result: how many tools a client lists. */
export function ListedNow({ className }: { className?: string }) {
  const m = useMessages(exposureTexts);
  const format = useFormat();
  const { data: access } = useQuery(myAccessQuery());
  return (
    <span className={className} title={access && mayGrow(access) ? m.exposure.more : undefined}>
      {access ? m.exposure.listsNow(format.number(access.listed.length) + more(access)) : ""}
    </span>
  );
}

function more(access: SimulatorAccess) {
  return mayGrow(access) ? "+" : "";
}
