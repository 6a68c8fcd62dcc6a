import { useEffect, useState } from "react";
import { useMessages } from "@/i18n";
import { settingsTexts } from "@/i18n/settings";
import { cn } from "@/lib/cn";
import type { Draft, Section } from "./model";
import { StateIcon, StateText, useSectionState } from "./section-state";

/** The servers at the left, each with its state; the one that is read now is marked. */
export function ServerList({ sections, draft }: { sections: Section[]; draft: Draft }) {
  const m = useMessages(settingsTexts);
  const current = useSectionInView(sections);
  return (
    <nav aria-label={m.settings.servers} className="sticky top-4 hidden lg:block">
      <ul>
        {sections.map((section) => (
          <li key={section.server}>
            <Entry section={section} draft={draft} current={section.slug === current} />
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Entry({ section, draft, current }: { section: Section; draft: Draft; current: boolean }) {
  const state = useSectionState(section, draft);
  return (
    <a
      href={`#${section.slug}`}
      aria-current={current ? "location" : undefined}
      className={cn(
        "flex h-7.5 items-center gap-2 rounded-md px-2 transition-colors duration-150 hover:bg-raised hover:text-ink",
        current ? "text-ink" : "text-ink-2",
      )}
    >
      <StateIcon state={state} />
      <span className="truncate">{section.server}</span>
      <StateText state={state} className="sr-only" />
    </a>
  );
}

/** The slug of the topmost section that is on the screen. */
function useSectionInView(sections: Section[]): string | undefined {
  const [current, setCurrent] = useState<string>();
  useEffect(() => {
    const seen = new Set<string>();
    const observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) seen.add(target.id);
        else seen.delete(target.id);
      }
      setCurrent(sections.find(({ slug }) => seen.has(slug))?.slug);
    });
    for (const { slug } of sections) {
      const element = document.getElementById(slug);
      if (element) observer.observe(element);
    }
    return () => observer.disconnect();
  }, [sections]);
  return current;
}
