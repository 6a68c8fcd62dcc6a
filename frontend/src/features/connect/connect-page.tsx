import { useSuspenseQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { IssuedKey } from "@/api/schema.gen";
import { Page } from "@/components/page";
import { useMessages } from "@/i18n";
import { ClientConfig } from "./client-config";
import { useKeyCommands } from "./commands";
import { FirstCallCheck } from "./first-call-check";
import { KeyForm, ShownKey } from "./key-form";
import { KeysTable } from "./keys-table";
import { keysQuery, runtimeQuery } from "./queries";
import { StepCard } from "./step-card";

/** From nothing to a client that calls: a key, what to paste, and the proof that it arrived. */
export function ConnectPage() {
  const m = useMessages();
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
        <ClientConfig issued={issued} shown={shown} url={runtime.publicUrl} />
      </StepCard>
      <StepCard number={3} title={m.connect.steps.check}>
        <FirstCallCheck />
      </StepCard>
      <KeysTable keys={keys} commands={commands} onIssued={show} />
    </Page>
  );
}
