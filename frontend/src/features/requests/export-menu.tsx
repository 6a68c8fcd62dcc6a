import { useMutation } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { client } from "@/api/client";
import { whole } from "@/api/data";
import type { RequestView } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { useToast } from "@/app/use-toast";
import { Button } from "@/components/ui/button";
import { Menu, MenuItem } from "@/components/ui/menu";
import { useMessages } from "@/i18n";
import { requestsTexts } from "@/i18n/requests";
import { toCsv, toNdjson } from "./export";
import { windowOf } from "./model";
import type { Asked } from "./queries";

const MOST = 2_000; // rows of a file
const AT_ONCE = 200; // as many as the hub gives in a page

/** Saves the rows that fit as a file, page by page from the hub. */
export function ExportMenu({ asked }: { asked: Asked }) {
  const m = useMessages(requestsTexts);
  const format = useFormat();
  const toast = useToast();
  const save = useMutation({
    mutationFn: async (kind: "csv" | "ndjson") => {
      const rows = await allRows(asked);
      const text = kind === "csv" ? toCsv(rows) : toNdjson(rows);
      download(text, `requests.${kind}`, kind === "csv" ? "text/csv" : "application/x-ndjson");
    },
    onError: toast.failed,
  });
  const hint = m.requests.exportHint(format.number(MOST));
  return (
    <Menu
      trigger={
        <Button size="md" busy={save.isPending} className="ml-auto">
          <Download aria-hidden />
          {m.requests.export}
        </Button>
      }
    >
      <MenuItem onSelect={() => save.mutate("csv")} hint={hint}>
        {m.requests.exportCsv}
      </MenuItem>
      <MenuItem onSelect={() => save.mutate("ndjson")} hint={hint}>
        {m.requests.exportNdjson}
      </MenuItem>
    </Menu>
  );
}

async function allRows({ all, filters, range }: Asked): Promise<RequestView[]> {
  const { from, to } = windowOf(range, new Date());
  const rows: RequestView[] = [];
  let cursor: string | undefined;
  do {
    const asked = { ...filters, all, from: from.toISOString(), to: to.toISOString(), cursor, limit: AT_ONCE };
    const page = await whole(client.GET("/api/requests", { params: { query: asked } }));
    rows.push(...page.data);
    cursor = page.page.next ?? undefined;
  } while (cursor && rows.length < MOST);
  return rows;
}

function download(text: string, name: string, type: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
