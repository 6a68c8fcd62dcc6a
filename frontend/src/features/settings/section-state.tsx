import { useQuery } from "@tanstack/react-query";
import { Ban, Check, CircleAlert, CircleDashed, CircleDot } from "lucide-react";
import { useFormat } from "@/app/look";
import { type Tone, toneText } from "@/components/ui/badge";
import { useMessages } from "@/i18n";
import { settingsTexts } from "@/i18n/settings";
import { cn } from "@/lib/cn";
import { type Draft, type Section, type SectionState, stateOf } from "./model";
import { testQuery } from "./queries";

const TONES: Record<SectionState["kind"], Tone> = {
  off: "neutral",
  unsaved: "warn",
  missing: "warn",
  check: "bad",
  untested: "neutral",
  ready: "ok",
};
const ICONS = {
  off: Ban,
  unsaved: CircleDot,
  missing: CircleAlert,
  check: CircleAlert,
  untested: CircleDashed,
  ready: Check,
};

export function useSectionState(section: Section, draft: Draft): SectionState {
  const { data: test } = useQuery(testQuery(section.server));
  return stateOf(section, draft, test);
}

export function StateIcon({ state: { kind } }: { state: SectionState }) {
  const Icon = ICONS[kind];
  return <Icon className={cn("size-4 shrink-0", toneText[TONES[kind]])} aria-hidden />;
}

export function StateText({ state, className }: { state: SectionState; className?: string }) {
  const m = useMessages(settingsTexts);
  const format = useFormat();
  const text =
    state.kind === "missing"
      ? m.settings.states.missing(format.number(state.count))
      : m.settings.states[state.kind];
  return <span className={cn("text-sm", toneText[TONES[state.kind]], className)}>{text}</span>;
}
