import { useSuspenseQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import type { IssuedKey } from "@/api/schema.gen";
import { ExposureChoice, ListedNow } from "@/components/exposure-choice";
import { Page } from "@/components/page";
import { useMessages } from "@/i18n";
import { connectTexts } from "@/i18n/connect";
import { exposureTexts } from "@/i18n/exposure";
import { ClientConfig } from "./client-config";
import { useKeyCommands } from "./commands";
import { FirstCallCheck } from "./first-call-check";
import { KeyForm, ShownKey } from "./key-form";
import { KeysTable } from "./keys-table";
import { keysQuery, runtimeQuery } from "./queries";
import { StepCard } from "./step-card";

const route = getRouteApi("/_app/connect");

/** From nothing to a client that calls: a key, what to paste, and the proof that it arrived. */
export function ConnectPage() {
  const m = useMessages(connectTexts, exposureTexts);
  const { server = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const { data: keys } = useSuspenseQuery(keysQuery);
  const { data: runtime } = useSuspenseQuery(runtimeQuery);
  const commands = useKeyCommands();
  // The one place the value of a key is: gone with the page.
  const [issued, setIssued] = useState<IssuedKey | null>(null);
  const [shown, setShown] = useState(false);
  const usable = keys.filter(({ state }) => state === "active");
  const show = (key: IssuedKey) => {
    setShown(false);
    setIssued(key);
  };

  return (
    <Page width="form" title={m.connect.title} subtitle={m.connect.subtitle} className="gap-3">
      <StepCard number={1} title={m.connect.steps.key} done={issued !== null || usable.length > 0}>
        {issued?.keyValue ? (
          <ShownKey issued={issued} shown={shown} onShow={setShown} onAnother={() => setIssued(null)} />
        ) : (
          <KeyForm
            commands={commands}
            onIssued={show}
            first={usable.length === 0}
            mostDays={runtime.limits.keyDays}
          />
        )}
      </StepCard>
      <StepCard number={2} title={m.connect.steps.client}>
        <ClientConfig
          issued={issued}
          shown={shown}
          url={runtime.publicUrl}
          server={server}
          onServer={(slug) =>
            void navigate({ search: slug ? { server: slug } : {}, replace: true, resetScroll: false })
          }
        />
        {server === "" ? (
          <div className="mt-4 flex flex-col gap-2 border-line border-t pt-3">
            <div className="flex flex-wrap items-baseline justify-between gap-x-4">
              <h3 className="font-semibold">{m.exposure.title}</h3>
              <ListedNow className="text-ink-2 text-sm" />
            </div>
            <ExposureChoice />
          </div>
        ) : (
          <p className="mt-3 text-ink-3 text-xs">{m.connect.oneServerLists}</p>
        )}
      </StepCard>
      <StepCard number={3} title={m.connect.steps.check}>
        <FirstCallCheck />
      </StepCard>
      <KeysTable keys={keys} commands={commands} onIssued={show} />
    </Page>
  );
}
