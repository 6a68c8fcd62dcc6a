import { Time } from "@/components/time";
import { useMessages } from "@/i18n";
import { auditTexts } from "@/i18n/audit";
import { Actor } from "./actor";
import { Line, Lines } from "./lines";
import { type Access, failed } from "./model";
import { Sentence } from "./sentence";

interface AccessDetailProps {
  item: Access;
  onTerm?: (key: string, value: string, not: boolean) => void;
}

/** A row of the access log: all of it is in the list already. */
export function AccessDetail({ item, onTerm }: AccessDetailProps) {
  const m = useMessages(auditTexts);
  const way = item.way in m.audit.ways ? m.audit.ways[item.way as keyof typeof m.audit.ways] : item.way;
  return (
    <div className="flex flex-col gap-3">
      <p>
        <Sentence item={item} />
      </p>
      <Lines>
        <Line name={m.audit.recorded} copy={item.at}>
          <Time at={item.at} as="full" />
        </Line>
        <Line
          name={m.audit.actor}
          term={item.actor ? ["actor", item.actorName || item.actor] : undefined}
          onTerm={onTerm}
        >
          <Actor item={item} />
        </Line>
        {item.userName && item.userName !== item.actorName ? (
          <Line name={m.audit.about}>
            <span data-name>{item.userName === "unknown name" ? m.audit.nobody : item.userName}</span>
          </Line>
        ) : null}
        <Line name={m.audit.outcome} term={["outcome", item.outcome]} onTerm={onTerm}>
          <code className={failed(item) ? "text-bad" : undefined}>{item.outcome}</code>
        </Line>
        {way ? <Line name={m.audit.way}>{way}</Line> : null}
        {item.route ? (
          <Line name={m.audit.route}>
            <code>
              {item.method} {item.route}
            </code>
          </Line>
        ) : null}
        {item.ip ? (
          <Line name={m.audit.address} copy={item.ip}>
            <code>{item.ip}</code>
          </Line>
        ) : null}
        {item.agent ? <Line name={m.audit.agent}>{item.agent}</Line> : null}
        {item.address ? (
          <Line name={m.audit.sameAddress} copy={item.address}>
            <code>{item.address.slice(0, 12)}</code>
          </Line>
        ) : null}
        <Line name={m.audit.request} copy={item.requestId}>
          <code>{item.requestId}</code>
        </Line>
      </Lines>
    </div>
  );
}
