import { Fragment, type ReactNode } from "react";

/** A message in which `<b>…</b>` marks the target of the sentence and `` `…` `` code. Nothing else is markup. */
export function rich(message: string): ReactNode {
  const parts = message.split(/(<b>.*?<\/b>|`[^`]+`)/);
  let at = 0;
  return parts.map((part) => {
    const key = at;
    at += part.length;
    if (part.startsWith("<b>")) return <b key={key}>{part.slice(3, -4)}</b>;
    if (part.startsWith("`")) return <code key={key}>{part.slice(1, -1)}</code>;
    return <Fragment key={key}>{part}</Fragment>;
  });
}
