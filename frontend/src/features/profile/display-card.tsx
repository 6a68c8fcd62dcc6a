import { type Density, type Theme, useFormat, useLook } from "@/app/look";
import { Card, CardHead } from "@/components/ui/card";
import { Combobox } from "@/components/ui/combobox";
import { Segmented } from "@/components/ui/segmented";
import { LANGUAGES, type Language, useMessages } from "@/i18n";
import { profileTexts } from "@/i18n/profile";
import { useNow } from "@/lib/use-now";
import { timeZones } from "./model";
import { Row } from "./rows";

const THEMES: Theme[] = ["system", "light", "dark"];
const DENSITIES: Density[] = ["comfortable", "compact"];
const AS_BROWSER = "browser"; // no time zone is called that

/** Language, time zone, theme and density; each counts as soon as it is chosen. */
export function DisplayCard() {
  const m = useMessages(profileTexts);
  const format = useFormat();
  const now = useNow();
  const { language, theme, density, timeZone, change } = useLook();
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const zones = [
    { value: AS_BROWSER, label: m.profile.ownZone(own) },
    ...timeZones(own).map((zone) => ({ value: zone, label: zone })),
  ];
  return (
    <Card aria-label={m.profile.looks}>
      <CardHead title={m.profile.looks} />
      <Row label={m.profile.language}>
        <Segmented
          label={m.profile.language}
          value={language}
          options={Object.entries(LANGUAGES).map(([value, label]) => ({ value: value as Language, label }))}
          onChange={(wanted) => change({ language: wanted })}
        />
      </Row>
      <Row
        label={m.profile.timeZone}
        hint={m.profile.timeZoneHint(`${format.day(now)} ${format.time(now).slice(0, 5)}`)}
      >
        <Combobox
          label={m.profile.timeZone}
          value={timeZone === "" ? AS_BROWSER : timeZone}
          options={zones}
          placeholder={m.profile.timeZoneFind}
          className="sm:max-w-80"
          onChange={(wanted) => wanted && change({ timeZone: wanted === AS_BROWSER ? "" : wanted })}
        />
      </Row>
      <Row label={m.shell.theme}>
        <Segmented
          label={m.shell.theme}
          value={theme}
          options={THEMES.map((value) => ({ value, label: m.shell.themes[value] }))}
          onChange={(wanted) => change({ theme: wanted })}
        />
      </Row>
      <Row label={m.shell.density}>
        <Segmented
          label={m.shell.density}
          value={density}
          options={DENSITIES.map((value) => ({ value, label: m.shell.densities[value] }))}
          onChange={(wanted) => change({ density: wanted })}
        />
      </Row>
    </Card>
  );
}
