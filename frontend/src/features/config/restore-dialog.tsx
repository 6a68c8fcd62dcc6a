import { useQuery } from "@tanstack/react-query";
import { asProblem, explain } from "@/api/problem";
import { useFormat } from "@/app/look";
import { Loaded, SkeletonRows } from "@/components/states";
import { Confirm } from "@/components/ui/confirm";
import { useMessages } from "@/i18n";
import { configTexts } from "@/i18n/config";
import { rich } from "@/i18n/rich";
import { useConfigCommands } from "./commands";
import { removedBy } from "./model";
import { restorePreviewQuery } from "./queries";
import { ImpactPart } from "./record-panel";
import { ChangeList, useExplain } from "./said";

interface RestoreDialogProps {
  version: number;
  present: number;
  onClose: () => void;
}

/** Shows what bringing a version back records; where servers go, their names are typed. */
export function RestoreDialog({ version, present, onClose }: RestoreDialogProps) {
  const m = useMessages(configTexts);
  const format = useFormat();
  const explainFinding = useExplain();
  const preview = useQuery({ ...restorePreviewQuery(version, present), retry: false });
  const { restore } = useConfigCommands();
  const removed = preview.data ? removedBy(preview.data) : [];
  const places = preview.error ? asProblem(preview.error).errors : [];
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && onClose()}
      title={m.config.restoreTitle(format.number(version))}
      text={rich(m.config.restoreText)}
      action={m.config.restore}
      name={removed.length > 0 ? removed.join(", ") : undefined}
      busy={restore.isPending || (preview.isPending && !preview.error)}
      onConfirm={() => preview.data && restore.mutate({ version, present }, { onSuccess: onClose })}
      error={restore.error ? explain(restore.error, m) : undefined}
    >
      <div className="mb-3 flex max-h-72 flex-col gap-3 overflow-y-auto">
        <Loaded query={preview} skeleton={<SkeletonRows rows={3} />}>
          {(saved) =>
            saved.changes.length === 0 ? (
              <p className="text-ink-2">{m.config.sameDocument}</p>
            ) : (
              <>
                <ChangeList changes={saved.changes} />
                <ImpactPart impact={saved.impact} />
              </>
            )
          }
        </Loaded>
        <ul>
          {places.map(({ pointer, code, detail }) => (
            <li key={`${code} ${pointer}`}>
              <code className="text-xs">{pointer}</code>{" "}
              {rich(explainFinding({ severity: "error", code, pointer, detail, from: 0, to: 0 }))}
            </li>
          ))}
        </ul>
      </div>
    </Confirm>
  );
}
