import { ExternalLink, FileText } from "lucide-react";
import { useState } from "react";
import { useFormat } from "@/app/look";
import { JsonView } from "@/components/json-view";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/i18n";
import { toolsTexts } from "@/i18n/tools";
import { cn } from "@/lib/cn";
import type { Block } from "./result";

const MOST_TEXT = 20_000; // characters shown at once

/** The pieces of an answer, each as what it is. */
export function Blocks({ blocks, failed }: { blocks: Block[]; failed: boolean }) {
  const m = useMessages(toolsTexts);
  if (blocks.length === 0) return <p className="px-3.5 py-3 text-ink-3">{m.tools.emptyResult}</p>;
  return (
    <ol className="scroll-thin max-h-[60vh] divide-y divide-line overflow-y-auto">
      {blocks.map((block, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: an answer does not change
        <li key={index} className="min-w-0">
          <One block={block} failed={failed} />
        </li>
      ))}
    </ol>
  );
}

function One({ block, failed }: { block: Block; failed: boolean }) {
  const m = useMessages(toolsTexts);
  const format = useFormat();
  switch (block.kind) {
    case "text":
      return <Text text={block.text} json={block.json} failed={failed} />;
    case "image":
      return (
        <figure className="px-3.5 py-3">
          <img
            src={block.source}
            alt={m.tools.image}
            className="max-h-96 max-w-full rounded border border-line"
          />
          <figcaption className="mt-1 font-mono text-ink-3 text-xs">
            {block.mime} · {format.bytes(block.size)}
          </figcaption>
        </figure>
      );
    case "file":
      return (
        <p className="flex flex-wrap items-center gap-2 px-3.5 py-3 text-ink-2">
          <FileText className="size-4 text-ink-3" aria-hidden />
          {m.tools.file}
          <code>{block.uri}</code>
          <span className="font-mono text-ink-3 text-xs">
            {block.mime} · {format.bytes(block.size)}
          </span>
        </p>
      );
    case "link":
      return (
        <div className="px-3.5 py-3">
          <p className="flex flex-wrap items-center gap-2">
            <Badge>{m.tools.resourceLink}</Badge>
            <span data-name className="font-semibold">
              {block.name}
            </span>
            <span className="font-mono text-ink-3 text-xs">{block.mime}</span>
          </p>
          <p className="mt-0.5 break-all text-sm">
            {block.href ? (
              <a
                href={block.href}
                target="_blank"
                rel="noreferrer"
                className="inline-flex items-center gap-1 font-mono text-accent underline"
              >
                {block.uri}
                <ExternalLink className="size-3 shrink-0" aria-hidden />
              </a>
            ) : (
              <code>{block.uri}</code>
            )}
          </p>
          {block.description ? (
            <p data-name className="mt-0.5 text-ink-2">
              {block.description}
            </p>
          ) : null}
        </div>
      );
    case "resource":
      return (
        <div>
          <p className="flex flex-wrap items-center gap-2 px-3.5 pt-3">
            <Badge>{m.tools.resource}</Badge>
            <code className="break-all">{block.uri}</code>
            <span className="font-mono text-ink-3 text-xs">{block.mime}</span>
          </p>
          <Text text={block.text} json={undefined} failed={failed} />
        </div>
      );
    case "other":
      return <JsonView value={block.value} label={m.tools.otherBlock} />;
  }
}

function Text({ text, json, failed }: { text: string; json: unknown; failed: boolean }) {
  const m = useMessages(toolsTexts);
  const [tree, setTree] = useState(json !== undefined);
  const [whole, setWhole] = useState(text.length <= MOST_TEXT);
  return (
    <div className="relative">
      {json === undefined ? null : (
        <Button
          tone="ghost"
          className="absolute top-1.5 right-2 z-10 h-6 text-xs"
          aria-pressed={tree}
          onClick={() => setTree(!tree)}
        >
          {tree ? m.tools.asText : m.tools.asTree}
        </Button>
      )}
      {tree ? (
        <JsonView value={json} label={m.tools.jsonText} />
      ) : (
        <pre
          data-name
          className={cn(
            "whitespace-pre-wrap break-words px-3.5 py-3 font-mono text-xs",
            failed && "text-bad",
          )}
        >
          {whole ? text : `${text.slice(0, MOST_TEXT)}…`}
        </pre>
      )}
      {whole || tree ? null : (
        <Button tone="ghost" className="mx-3 mb-2" onClick={() => setWhole(true)}>
          {m.tools.showAll}
        </Button>
      )}
    </div>
  );
}
