import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { EditorState, type Extension } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import type { MessagesWith } from "@/i18n";
import type { configTexts } from "@/i18n/config";

/** Colours are the page's own, so both themes come by themselves. */
const theme = EditorView.theme({
  "&": { height: "100%", backgroundColor: "var(--surface)", color: "var(--ink)", fontSize: "12.5px" },
  "&.cm-focused": { outline: "none" },
  // Above everything: an outline would lie below the line numbers.
  "&:focus-within::after": {
    content: '""',
    position: "absolute",
    inset: "0",
    border: "2px solid var(--accent)",
    borderRadius: "7px",
    pointerEvents: "none",
    zIndex: "300",
  },
  ".cm-scroller": { fontFamily: "var(--font-mono)", lineHeight: "20px", overflow: "auto" },
  ".cm-content": { caretColor: "var(--ink)", padding: "6px 0" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": {
    backgroundColor: "var(--surface)",
    color: "var(--ink-3)",
    borderRight: "1px solid var(--line)",
  },
  ".cm-activeLine, .cm-activeLineGutter": {
    backgroundColor: "color-mix(in srgb, var(--raised) 70%, transparent)",
  },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--accent-line)",
  },
  ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": {
    backgroundColor: "var(--accent-soft)",
    outline: "1px solid var(--accent-line)",
  },
  ".cm-tooltip": {
    backgroundColor: "var(--surface)",
    color: "var(--ink)",
    border: "1px solid var(--line-strong)",
    borderRadius: "6px",
    boxShadow: "var(--shadow)",
    maxWidth: "30rem",
  },
  ".cm-tooltip-autocomplete > ul > li": { padding: "2px 8px" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": {
    backgroundColor: "var(--accent-soft)",
    color: "var(--ink)",
  },
  ".cm-completionDetail": { color: "var(--ink-3)", fontStyle: "normal" },
  ".cm-completionInfo": { padding: "6px 10px", fontFamily: "var(--font-sans)" },
  ".cm-hover": { padding: "6px 10px", fontFamily: "var(--font-sans)", fontSize: "12.5px" },
  ".cm-hover code": { fontSize: "12px", color: "var(--ink-2)" },
  ".cm-diagnostic": { fontFamily: "var(--font-sans)", padding: "5px 10px" },
  ".cm-diagnostic-error": { borderLeft: "4px solid var(--bad)" },
  ".cm-diagnostic-warning": { borderLeft: "4px solid var(--warn)" },
  ".cm-diagnostic-info": { borderLeft: "4px solid var(--line-strong)" },
  ".cm-diagnosticAction": {
    backgroundColor: "var(--accent)",
    color: "var(--accent-ink)",
    borderRadius: "4px",
    padding: "1px 8px",
    marginLeft: "8px",
  },
  ".cm-panels": { backgroundColor: "var(--raised)", color: "var(--ink)", borderColor: "var(--line)" },
  ".cm-panel input, .cm-panel button": { fontFamily: "var(--font-sans)" },
  ".cm-textfield": {
    backgroundColor: "var(--surface)",
    border: "1px solid var(--line-strong)",
    borderRadius: "4px",
  },
  ".cm-button": {
    backgroundImage: "none",
    backgroundColor: "var(--surface)",
    border: "1px solid var(--line-strong)",
    borderRadius: "4px",
  },
  ".cm-foldPlaceholder": {
    backgroundColor: "var(--raised)",
    borderColor: "var(--line)",
    color: "var(--ink-2)",
  },
  ".cm-lint-marker-info": { display: "none" },
  // differences
  ".cm-changedLine, &.cm-merge-b .cm-changedLine": { backgroundColor: "var(--ok-soft)" },
  "&.cm-merge-a .cm-changedLine, .cm-deletedChunk": { backgroundColor: "var(--bad-soft)" },
  ".cm-changedText, &.cm-merge-b .cm-changedText": {
    background: "none", // a line below, as another tint would take contrast from the words
    boxShadow: "inset 0 -2px var(--ok)",
  },
  "&.cm-merge-a .cm-changedText, .cm-deletedChunk .cm-deletedText": {
    background: "none",
    boxShadow: "inset 0 -2px var(--bad)",
  },
  ".cm-deletedLine, .cm-deletedLine del, .cm-deletedText": { textDecoration: "none" },
  ".cm-deletedChunk": { paddingLeft: "6px" },
  // At the right edge of what is seen, beside their own difference, however long its lines are; they take no room.
  ".cm-deletedChunk .cm-chunkButtons": {
    position: "sticky",
    insetInlineEnd: "8px",
    zIndex: "1",
    width: "max-content",
    height: "0",
    marginInlineStart: "auto",
  },
  ".cm-deletedChunk .cm-chunkButton": {
    fontFamily: "var(--font-sans)",
    fontSize: "11px",
    padding: "0 8px",
    height: "24px",
    marginLeft: "4px",
    borderRadius: "4px",
    border: "1px solid var(--line-strong)",
    backgroundColor: "var(--surface)",
    color: "var(--ink) !important",
    cursor: "pointer",
  },
  ".cm-collapsedLines:before, .cm-collapsedLines:after": { content: '"⋯"' },
  ".cm-collapsedLines": {
    background: "var(--raised)",
    color: "var(--ink-2)",
    fontFamily: "var(--font-sans)",
  },
});

const highlight = HighlightStyle.define([
  // Read on the ground of a difference, too.
  { tag: tags.propertyName, color: "color-mix(in oklch, var(--accent) 70%, var(--ink))" },
  { tag: tags.string, color: "var(--ink)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--cat-secret)" },
  { tag: [tags.separator, tags.bracket, tags.squareBracket, tags.brace], color: "var(--ink-2)" },
]);

/** How every view of the document looks and speaks. */
export function look(m: MessagesWith<typeof configTexts>): Extension {
  return [
    theme,
    syntaxHighlighting(highlight),
    EditorState.phrases.of(m.config.phrases),
    EditorState.tabSize.of(2),
  ];
}

/** For a view that is only read: reached and scrolled by keyboard all the same. */
export function readOnly(label: string): Extension {
  return [
    EditorState.readOnly.of(true),
    EditorView.editable.of(false),
    EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0", "aria-readonly": "true" }),
  ];
}
