import { useChangePreferences } from "@/api/preferences";
import { useMe } from "@/app/session";
import { useToast } from "@/app/use-toast";
import { ExposureChoice, ListedNow } from "@/components/exposure-choice";
import { Card, CardHead } from "@/components/ui/card";
import { Switch } from "@/components/ui/switch";
import { useMessages } from "@/i18n";
import { exposureTexts } from "@/i18n/exposure";
import { rich } from "@/i18n/rich";
import { Row } from "./rows";

/** What the reader's clients list, and how long the list is with each way. */
export function ExposureCard() {
  const m = useMessages(exposureTexts);
  const me = useMe();
  const toast = useToast();
  const change = useChangePreferences();
  const show = (on: boolean) =>
    change.mutate(
      { showWhy: on },
      {
        onSuccess: ({ position }) =>
          toast.done(on ? m.exposure.whyOn : m.exposure.whyOff, {
            position,
            undo: () => change.mutate({ showWhy: !on }),
          }),
        onError: toast.failed,
      },
    );
  return (
    <Card aria-label={m.exposure.title}>
      <CardHead title={m.exposure.title} end={<ListedNow className="text-ink-2 text-sm" />} />
      <div className="flex flex-col gap-2 border-line border-t px-3.5 py-3">
        <ExposureChoice />
        <p className="text-ink-3 text-xs">{m.exposure.text}</p>
      </div>
      <Row label={rich(m.exposure.why)} hint={m.exposure.whyText}>
        <Switch checked={me.showWhy} label={m.exposure.why.replaceAll("`", "")} onChange={show} />
      </Row>
    </Card>
  );
}
