import { useMemo, useState } from "react";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Checkbox } from "@/components/ui/checkbox";
import { Dialog } from "@/components/ui/dialog";
import { Field } from "@/components/ui/field";
import { Textarea } from "@/components/ui/input";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { configTexts } from "@/i18n/config";
import type { Offer } from "./import";
import { EMPTY, offersIn, withOffers } from "./import";
import { type Json, memberOf } from "./json-tree";

interface ImportDialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  /** The document as it is typed. */
  tree: Json | null;
  onTake: (text: string) => void;
}

/** Takes servers over from a client's `mcp.json` or a registry's `server.json`, into what is typed. */
export function ImportDialog({ open, onOpenChange, tree, onTake }: ImportDialogProps) {
  const m = useMessages(configTexts);
  const [text, setText] = useState("");
  const [left, setLeft] = useState<Set<string>>(new Set());
  const pasted = useMemo(() => offersIn(text), [text]);
  const offers = pasted.kind === "nothing" ? [] : pasted.offers;
  const taken = offers.filter((offer) => !left.has(idOf(offer)));
  const twice = taken.some((one, at) => taken.findIndex(({ name }) => name === one.name) !== at);
  const close = (wanted: boolean) => {
    setText(""); // what was pasted may hold secrets
    setLeft(new Set());
    onOpenChange(wanted);
  };
  return (
    <Dialog
      open={open}
      onOpenChange={close}
      title={m.config.importTitle}
      description={m.config.importText}
      className="w-[min(40rem,calc(100vw-2rem))]"
      actions={
        <>
          <Button size="md" onClick={() => close(false)}>
            {m.common.cancel}
          </Button>
          <Button
            size="md"
            tone="primary"
            disabled={taken.length === 0 || twice || tree === null}
            onClick={() => {
              onTake(withOffers(tree ?? EMPTY(), taken));
              close(false);
            }}
          >
            {m.config.importTake(String(taken.length))}
          </Button>
        </>
      }
    >
      <Field label={m.config.importLabel}>
        {(parts) => (
          <Textarea
            {...parts}
            spellCheck={false}
            autoComplete="off"
            className="h-44 font-mono text-xs"
            value={text}
            onChange={(event) => {
              const found = offersIn(event.target.value);
              setText(event.target.value);
              setLeft(found.kind === "nothing" ? new Set() : repeated(found.offers));
            }}
          />
        )}
      </Field>
      {text.trim() !== "" && offers.length === 0 ? (
        <Notice tone="bad" announce className="mt-2">
          {m.config.importNothing}
        </Notice>
      ) : null}
      {tree === null ? (
        <Notice tone="bad" className="mt-2">
          {m.config.importBroken}
        </Notice>
      ) : null}
      {twice ? (
        <Notice tone="warn" className="mt-2">
          {m.config.importTwice}
        </Notice>
      ) : null}
      <ul className="mt-2 flex flex-col gap-1" aria-label={m.config.importFound}>
        {offers.map((offer) => (
          <OfferRow
            key={idOf(offer)}
            offer={offer}
            replaces={memberOf(memberOf(tree, "mcpServers"), offer.name) !== undefined}
            taken={!left.has(idOf(offer))}
            onTaken={(wanted) =>
              setLeft((now) => {
                const next = new Set(now);
                if (wanted) next.delete(idOf(offer));
                else next.add(idOf(offer));
                return next;
              })
            }
          />
        ))}
      </ul>
    </Dialog>
  );
}

const idOf = (offer: Offer) => `${offer.name} ${offer.way}`;

/** Of several ways to run one server, those behind the first. */
function repeated(offers: Offer[]): Set<string> {
  const later = offers.filter(({ name }, at) => offers.findIndex((other) => other.name === name) !== at);
  return new Set(later.map(idOf));
}

interface OfferRowProps {
  offer: Offer;
  replaces: boolean;
  taken: boolean;
  onTaken: (taken: boolean) => void;
}

function OfferRow({ offer, replaces, taken, onTaken }: OfferRowProps) {
  const m = useMessages(configTexts);
  return (
    <li className="flex flex-wrap items-center gap-2">
      <Checkbox checked={taken} onChange={onTaken} label={offer.name} />
      <span className="font-mono">{offer.name}</span>
      <span className="font-mono text-ink-3 text-xs">{offer.way}</span>
      {replaces ? <Badge tone="warn">{m.config.importReplaces}</Badge> : null}
      {offer.replaced.length > 0 ? (
        <span className="text-ink-3 text-xs">{m.config.importVariables(offer.replaced.join(", "))}</span>
      ) : null}
    </li>
  );
}
