import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { RequestView } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { Loaded } from "@/components/states";
import { Button } from "@/components/ui/button";
import { CodeBlock } from "@/components/ui/code-block";
import { useMessages } from "@/i18n";
import { requestsTexts } from "@/i18n/requests";
import { laidOut } from "./model";
import { payloadQuery } from "./queries";

/** What a tool was called with and what it answered, if its server keeps that; shown when it is asked for. */
export function Payload({ request }: { request: RequestView }) {
  const m = useMessages(requestsTexts);
  const [asked, setAsked] = useState(false);
  if (!request.hasPayload) return null;
  return (
    <section aria-label={m.requests.payload.title}>
      <p className="text-2xs text-ink-3">{m.requests.payload.title}</p>
      {asked ? (
        <Texts id={request.id} />
      ) : (
        <div className="mt-1 flex flex-wrap items-center gap-2">
          <Button onClick={() => setAsked(true)}>{m.requests.payload.show}</Button>
          <span className="text-ink-3 text-xs">{m.requests.payload.hint}</span>
        </div>
      )}
    </section>
  );
}

function Texts({ id }: { id: string }) {
  const m = useMessages(requestsTexts);
  const payload = useQuery(payloadQuery(id));
  return (
    <Loaded query={payload} skeleton={<div className="skeleton mt-1 h-16 rounded-md" />}>
      {({ arguments: given, argumentsBytes, result, resultBytes }) => (
        <div className="mt-1 flex flex-col gap-2">
          <Text label={m.requests.payload.arguments} text={given} size={argumentsBytes} />
          <Text label={m.requests.payload.result} text={result} size={resultBytes} />
        </div>
      )}
    </Loaded>
  );
}

function Text({ label, text, size }: { label: string; text: string | null; size: number }) {
  const m = useMessages(requestsTexts);
  const format = useFormat();
  const cut = text !== null && new TextEncoder().encode(text).length < size;
  return (
    <div>
      <p className="pb-0.5 text-ink-2 text-sm">
        {label}
        {cut ? (
          <span className="pl-2 text-ink-3 text-xs">{m.requests.payload.cut(format.bytes(size))}</span>
        ) : null}
      </p>
      {text === null ? (
        <p className="text-ink-3 text-sm">{m.requests.payload.none}</p>
      ) : (
        <CodeBlock text={text} shown={laidOut(text)} label={label} className="[&_pre]:max-h-72" />
      )}
    </div>
  );
}
