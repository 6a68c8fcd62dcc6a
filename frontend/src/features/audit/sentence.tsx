import { useMessages } from "@/i18n";
import { auditTexts } from "@/i18n/audit";
import { rich } from "@/i18n/rich";
import { type Access, failed, type Item, wordsOf } from "./model";

/** What happened, without who did it, and what is said behind it. */
export function Sentence({ item, whole = false }: { item: Item; whole?: boolean }) {
  const m = useMessages(auditTexts);
  if (item.kind === "access") return <AccessSentence item={item} />;
  const { target, detail } = wordsOf(item);
  const say = m.audit.sentences[item.type as keyof typeof m.audit.sentences];
  return (
    <>
      {rich(say ? say(clean(target)) : m.audit.unknownEvent(item.type))}
      {detail && !whole ? <span className="pl-2 text-ink-3 text-xs">{detail}</span> : null}
    </>
  );
}

function AccessSentence({ item }: { item: Access }) {
  const m = useMessages(auditTexts);
  const said = m.audit.access;
  const broken = failed(item);
  const route = `${item.method} ${item.route}`;
  const text = {
    sign_in: broken ? said.sign_in_failed(clean(whom(item))) : said.sign_in(clean(whom(item))),
    sign_out: said.sign_out(clean(whom(item))),
    command: said.command(clean(route)),
    export: said.export(clean(item.route)),
    gap: said.gap(String(item.lost)),
  }[item.type];
  const codes = m.errors.codes;
  return (
    <>
      {rich(text ?? m.audit.unknownEvent(item.type))}
      {broken ? (
        <span className="pl-2 text-bad text-xs">
          {item.outcome in codes ? codes[item.outcome as keyof typeof codes] : item.outcome}
        </span>
      ) : null}
    </>
  );

  function whom({ userName, actorName }: Access): string {
    return userName === "unknown name" ? m.audit.nobody : userName || actorName || m.audit.nobody;
  }
}

/** A name is no markup. */
function clean(name: string): string {
  return name.replace(/[`<>]/g, "");
}
