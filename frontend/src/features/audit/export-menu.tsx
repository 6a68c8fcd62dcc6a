import { Download } from "lucide-react";
import { useMemo } from "react";
import { Button } from "@/components/ui/button";
import { Menu, MenuItem } from "@/components/ui/menu";
import { useMessages } from "@/i18n";
import { auditTexts } from "@/i18n/audit";
import { type Asked, askedOf, narrowed, windowOf } from "./model";
import { exportPath } from "./queries";
import type { AuditSearch } from "./search";

interface ExportMenuProps {
  search: AuditSearch;
  /** Conditions that stand beside those of the search. */
  also?: Asked;
}

/** Saves everything that fits as a file, however much it is; the hub writes it while it is read. */
export function ExportMenu({ search, also }: ExportMenuProps) {
  const m = useMessages(auditTexts);
  const { q = "", view = "all", span = "24h", from, to } = search;
  const sought = useMemo(
    () => ({ asked: { ...narrowed(view, askedOf(q).asked), ...also }, span, window: windowOf(from, to) }),
    [q, view, span, from, to, also],
  );
  const save = (format: "ndjson" | "csv") => window.location.assign(exportPath(sought, format));
  return (
    <Menu
      trigger={
        <Button size="md">
          <Download aria-hidden />
          {m.audit.export}
        </Button>
      }
    >
      <MenuItem onSelect={() => save("ndjson")} hint={m.audit.exportNdjsonHint}>
        {m.audit.exportNdjson}
      </MenuItem>
      <MenuItem onSelect={() => save("csv")} hint={m.audit.exportCsvHint}>
        {m.audit.exportCsv}
      </MenuItem>
    </Menu>
  );
}
