import { Link } from "@tanstack/react-router";
import { memo } from "react";
import { Time } from "@/components/time";
import { useMessages } from "@/i18n";
import { auditTexts } from "@/i18n/audit";
import { cn } from "@/lib/cn";
import { Actor } from "./actor";
import { CategoryIcon } from "./categories";
import { type Item, itemId, type Joint, subjectText } from "./model";
import { Sentence } from "./sentence";

/** One grid for the header and all rows. Beside a panel the sentence is worth more than the actor, who stands in it. */
export const TRACKS =
  "grid items-center gap-x-2.5 px-4 grid-cols-[52px_62px_14px_18px_minmax(0,1fr)] md:[&:not(.narrow)]:grid-cols-[52px_62px_14px_18px_128px_minmax(0,1fr)] xl:[&.narrow]:grid-cols-[52px_62px_14px_18px_128px_minmax(0,1fr)] xl:[&:not(.narrow)]:grid-cols-[52px_62px_14px_18px_128px_minmax(0,1fr)_minmax(0,280px)]";

interface TimelineRowProps {
  id: string;
  index: number;
  start: number;
  item: Item;
  joint: Joint;
  selected: boolean;
  /** Of the same cause as the chosen one. */
  related: boolean;
  fresh: boolean;
  narrow: boolean;
  onSelect: (item: Item) => void;
  onOpen: (item: Item) => void;
}

export const TimelineRow = memo(function TimelineRow(props: TimelineRowProps) {
  const { id, index, start, item, joint, selected, related, fresh, narrow, onSelect, onOpen } = props;
  const m = useMessages(auditTexts);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the grid around it takes the keys of all rows
    <div
      id={id}
      role="row"
      aria-rowindex={index}
      aria-selected={selected}
      data-row={itemId(item)}
      onClick={() => onSelect(item)}
      onDoubleClick={() => onOpen(item)}
      className={cn(
        TRACKS,
        narrow && "narrow",
        "absolute inset-x-0 top-0 h-row cursor-default border-line border-b hover:bg-raised",
        related && "bg-raised",
        selected && "bg-accent-soft hover:bg-accent-soft",
        fresh && !selected && "row-new",
      )}
      style={{ transform: `translateY(${start}px)` }}
    >
      <div role="gridcell" className="text-right font-mono text-ink-3 text-xs">
        {item.kind === "fact" ? item.position : ""}
      </div>
      <div role="gridcell" className="text-ink-2 text-xs">
        <Time at={item.at} as="clock" />
      </div>
      <div role="gridcell" className="relative h-full">
        <Gutter joint={joint} />
        {joint.above || joint.below ? <span className="sr-only">{m.audit.joined}</span> : null}
      </div>
      <div role="gridcell">
        <CategoryIcon item={item} />
      </div>
      <div role="gridcell" className={cn("min-w-0", narrow ? "max-xl:hidden" : "max-md:hidden")}>
        <Actor item={item} />
      </div>
      <div role="gridcell" className="min-w-0 truncate">
        <Sentence item={item} />
      </div>
      {narrow ? null : (
        <div role="gridcell" className="min-w-0 truncate text-right font-mono text-2xs max-xl:hidden">
          {item.kind === "fact" && item.subject ? (
            <Link
              to="/admin/streams/$streamId"
              params={{ streamId: item.subject.tag }}
              onClick={(event) => event.stopPropagation()}
              className="rounded text-ink-3 hover:text-accent hover:underline"
            >
              {subjectText(item.subject)}
            </Link>
          ) : null}
        </div>
      )}
    </div>
  );
});

/** Events of one cause hang on one line. */
function Gutter({ joint: { above, below } }: { joint: Joint }) {
  const joined = above || below;
  return (
    <span aria-hidden className="absolute inset-0 grid place-items-center">
      {above ? <span className="absolute top-0 h-1/2 w-px bg-line-strong" /> : null}
      {below ? <span className="absolute bottom-0 h-1/2 w-px bg-line-strong" /> : null}
      <span
        className={cn(
          "relative rounded-full",
          joined ? "size-2 border-[1.5px] border-ink-3 bg-canvas" : "size-1.5 bg-line-strong",
        )}
      />
    </span>
  );
}
