import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { json } from "@codemirror/lang-json";
import { bracketMatching, foldGutter, foldKeymap, indentOnInput } from "@codemirror/language";
import { type Diagnostic, lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { MergeView, unifiedMergeView } from "@codemirror/merge";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, type Extension } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { useEffect, useRef } from "react";
import { type MessagesWith, useMessages } from "@/i18n";
import { configTexts } from "@/i18n/config";
import { cn } from "@/lib/cn";
import { complete, hover, type Known } from "./editor-help";
import { look, readOnly } from "./editor-look";
import type { Finding } from "./model";

// Everything that needs CodeMirror is behind this file, which is loaded when it is shown.

export interface EditorHandle {
  /** Leads to a place in the text. */
  show: (at: number) => void;
}

interface EditorProps {
  text: string;
  onChange: (text: string) => void;
  /** The text as the hub has it; null hides what differs. */
  committed: string | null;
  findings: Finding[];
  explain: (finding: Finding) => string;
  known: Known;
  onReady: (handle: EditorHandle) => void;
  className?: string;
}

/** The text of the document, to be changed. What changes in the props is taken over without losing the place. */
export function Editor({
  text,
  onChange,
  committed,
  findings,
  explain,
  known,
  onReady,
  className,
}: EditorProps) {
  const m = useMessages(configTexts);
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const difference = useRef(new Compartment());
  const latest = useRef({ text, onChange, known, committed, onReady });
  useEffect(() => {
    latest.current = { text, onChange, known, committed, onReady };
  });

  useEffect(() => {
    const parent = host.current;
    if (!parent) return;
    const shown = difference.current;
    const now = new EditorView({
      parent,
      doc: latest.current.text,
      extensions: [
        base(),
        look(m),
        autocompletion({ override: [complete(() => latest.current.known)], icons: false }),
        hover(() => latest.current.known, m.config.hover),
        lintGutter(),
        shown.of(unified(latest.current.committed, m)),
        EditorView.contentAttributes.of({
          "aria-label": m.config.document,
          spellcheck: "false",
          tabindex: "0",
        }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) latest.current.onChange(update.state.doc.toString());
        }),
      ],
    });
    view.current = now;
    latest.current.onReady({
      show(at) {
        const pos = Math.min(at, now.state.doc.length);
        now.dispatch({
          selection: { anchor: pos },
          effects: EditorView.scrollIntoView(pos, { y: "start", yMargin: 40 }),
        });
        now.focus();
      },
    });
    return () => now.destroy();
  }, [m]);

  useEffect(() => {
    const now = view.current;
    if (!now || now.state.doc.toString() === text) return;
    now.dispatch({ changes: { from: 0, to: now.state.doc.length, insert: text } });
  }, [text]);

  useEffect(() => {
    view.current?.dispatch({ effects: difference.current.reconfigure(unified(committed, m)) });
  }, [committed, m]);

  useEffect(() => {
    const now = view.current;
    if (!now) return;
    const end = now.state.doc.length;
    const marks = findings
      .filter(({ from }) => from <= end)
      .map((found): Diagnostic => {
        const { from, to, meant } = found;
        const apply = (target: EditorView, at: number, until: number) =>
          target.dispatch({ changes: { from: at, to: until, insert: JSON.stringify(meant) } });
        return {
          from,
          to: Math.min(to, end),
          severity: found.severity,
          message: explain(found).replaceAll("`", ""),
          actions: meant ? [{ name: m.config.fix(meant), apply }] : [],
        };
      });
    now.dispatch(setDiagnostics(now.state, marks));
  }, [findings, explain, m]);

  return <div ref={host} className={cn("min-h-0 overflow-hidden", className)} data-testid="editor" />;
}

interface SideBySideProps {
  before: string;
  after: string;
  labels: [string, string];
  /** Without it both sides are only read. */
  onChange?: (text: string) => void;
  className?: string;
}

/** Two texts beside each other; what they have in common is folded. */
export function SideBySide({ before, after, labels, onChange, className }: SideBySideProps) {
  const m = useMessages(configTexts);
  const host = useRef<HTMLDivElement>(null);
  const [left, right] = labels;
  const latest = useRef({ after, onChange });
  useEffect(() => {
    latest.current = { after, onChange };
  });
  const view = useRef<MergeView>(null);
  const editable = onChange !== undefined;
  useEffect(() => {
    const parent = host.current;
    if (!parent) return;
    const typed = [
      EditorView.contentAttributes.of({ "aria-label": right, spellcheck: "false", tabindex: "0" }),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) latest.current.onChange?.(update.state.doc.toString());
      }),
    ];
    const made = new MergeView({
      parent,
      a: { doc: before, extensions: [base(), look(m), readOnly(left)] },
      b: { doc: latest.current.after, extensions: [base(), look(m), editable ? typed : readOnly(right)] },
      // Text to be changed stays in sight, and so does a document that does not differ.
      collapseUnchanged: editable || before === latest.current.after ? undefined : { margin: 3, minSize: 6 },
      gutter: true,
    });
    view.current = made;
    return () => made.destroy();
  }, [before, left, right, editable, m]);

  useEffect(() => {
    const doc = view.current?.b.state.doc;
    if (!doc || doc.toString() === after) return;
    view.current?.b.dispatch({ changes: { from: 0, to: doc.length, insert: after } });
  }, [after]);

  return (
    <div
      ref={host}
      className={cn("scroll-thin min-h-0 overflow-auto", className)}
      data-testid="side-by-side"
    />
  );
}

function unified(committed: string | null, m: MessagesWith<typeof configTexts>): Extension {
  if (committed === null) return [];
  return unifiedMergeView({
    original: committed,
    gutter: true,
    syntaxHighlightDeletions: false,
    mergeControls: (type, action) => {
      const button = document.createElement("button");
      button.className = "cm-chunkButton";
      button.textContent = type === "accept" ? m.config.keepChange : m.config.undoChange;
      button.onmousedown = action;
      return button;
    },
  });
}

function base(): Extension {
  return [
    lineNumbers(),
    foldGutter(),
    history(),
    drawSelection(),
    indentOnInput(),
    bracketMatching(),
    closeBrackets(),
    highlightActiveLine(),
    highlightSelectionMatches(),
    json(),
    EditorState.allowMultipleSelections.of(true),
    keymap.of([
      ...closeBracketsKeymap,
      ...defaultKeymap,
      ...searchKeymap,
      ...historyKeymap,
      ...foldKeymap,
      ...completionKeymap,
      ...lintKeymap,
    ]),
  ];
}
