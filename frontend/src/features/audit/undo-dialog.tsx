import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { client, positionOf } from "@/api/client";
import { data } from "@/api/data";
import { explain } from "@/api/problem";
import type { UndoPreview } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { useToast } from "@/app/use-toast";
import { AffectedUsers } from "@/components/affected-users";
import { Loaded, SkeletonRows } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { undoTexts } from "@/i18n/undo";
import { undoPreviewQuery } from "./queries";
import { Sentence } from "./sentence";

/** What undoing an event records and for whom it changes something; or why it is not to be. */
export function UndoDialog({ position, onClose }: { position: number; onClose: () => void }) {
  const m = useMessages(undoTexts);
  const format = useFormat();
  const toast = useToast();
  const queries = useQueryClient();
  const preview = useQuery(undoPreviewQuery(position));
  const undo = useMutation({
    mutationFn: async (seen: number) => {
      const answer = client.POST("/api/audit/{position}/undo", {
        params: { path: { position } },
        body: { seen },
      });
      await data(answer);
      return positionOf((await answer).response);
    },
    onSuccess: (made) => {
      toast.done(m.undo.done(format.number(position)), { position: made });
      onClose();
      return queries.invalidateQueries();
    },
    onError: () => queries.invalidateQueries({ queryKey: undoPreviewQuery(position).queryKey }),
  });
  const seen = preview.data && preview.data.refused === null ? preview.data.seen : null;
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={m.undo.title(format.number(position))}
      description={m.undo.text}
      className="w-[min(38rem,calc(100vw-2rem))]"
      actions={
        <>
          <Button size="md" onClick={onClose}>
            {m.common.cancel}
          </Button>
          <Button
            size="md"
            tone="primary"
            disabled={seen === null}
            busy={undo.isPending}
            onClick={() => seen !== null && undo.mutate(seen)}
          >
            {m.undo.action}
          </Button>
        </>
      }
    >
      <Loaded query={preview} skeleton={<SkeletonRows rows={4} />}>
        {(found) =>
          found.refused ? <Refused why={found.refused} onClose={onClose} /> : <Planned preview={found} />
        }
      </Loaded>
      {undo.error ? (
        <Notice tone="bad" announce className="mt-3">
          {explain(undo.error, m)}
        </Notice>
      ) : null}
    </Dialog>
  );
}

function Planned({ preview }: { preview: UndoPreview }) {
  const m = useMessages(undoTexts);
  return (
    <div className="flex max-h-[45vh] flex-col gap-3 overflow-y-auto">
      <section>
        <h3 className="mb-1 font-medium text-2xs text-ink-3">{m.undo.records}</h3>
        <ul className="flex flex-col gap-1">
          {preview.facts.map((fact) => (
            <li key={`${fact.type} ${JSON.stringify(fact.data)}`}>
              <code className="pr-2 text-ink-3 text-xs">{fact.type}</code>
              <span data-name>{fact.actorName}</span> · <Sentence item={fact} />
            </li>
          ))}
        </ul>
      </section>
      {preview.affected ? (
        <section>
          <h3 className="mb-1 font-medium text-2xs text-ink-3">{m.undo.affects}</h3>
          <AffectedUsers affected={preview.affected} />
        </section>
      ) : null}
    </div>
  );
}

function Refused({ why, onClose }: { why: NonNullable<UndoPreview["refused"]>; onClose: () => void }) {
  const m = useMessages(undoTexts);
  const format = useFormat();
  const codes: Record<string, string> = m.errors.codes;
  return (
    <Notice tone="warn" announce>
      <p className="font-medium">{m.undo.impossible}</p>
      <p>{codes[why.code] ?? `${why.detail} ${why.remedy}`}</p>
      {why.code === "undo_whole_save" ? (
        <Link to="/admin/config/history" className="underline" onClick={onClose}>
          {m.undo.toVersions}
        </Link>
      ) : why.position > 0 ? (
        <Link
          to="/admin/audit/$position"
          params={{ position: String(why.position) }}
          className="underline"
          onClick={onClose}
        >
          {m.undo.toEvent(format.number(why.position))}
        </Link>
      ) : null}
    </Notice>
  );
}
