import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { asProblem } from "@/api/problem";
import type { SettingsFile } from "@/api/schema.gen";
import { Malformed, parseJson, pointerOf, treeOf } from "./json-tree";
import { type Finding, findingsOf, together } from "./model";
import { previewQuery, schemaQuery } from "./queries";
import { checkSchema } from "./schema";

const QUIET = 400; // milliseconds without typing until the hub is asked

/** What is typed over a version of the document, and what is to be said of it. */
export function useDraft(file: SettingsFile) {
  const [base, setBase] = useState(file);
  const [typed, setTyped] = useState<string | null>(null);
  // Nothing typed: the newest version is what is shown.
  const seen = typed === null ? file : base;
  const text = typed ?? seen.text;
  const dirty = text !== seen.text;
  const settled = useSettled(text);

  const schema = useQuery(schemaQuery).data;
  const committed = useMemo(() => treeOf(seen.text), [seen.text]);
  const local = useMemo(() => localFindings(settled, schema), [settled, schema]);
  const preview = useQuery({
    ...previewQuery(settled, seen.version),
    enabled: settled !== seen.text,
    retry: false,
    placeholderData: keepPreviousData,
  });
  const refusal = preview.error ? asProblem(preview.error) : null;
  const findings = useMemo(() => {
    if (settled === seen.text) return local.findings;
    // Of a text that is no JSON the page says more.
    const errors = refusal?.code === "settings_invalid" && local.tree ? refusal.errors : [];
    const warnings = preview.data && !preview.isPlaceholderData ? preview.data.warnings : [];
    return together(local.findings, findingsOf(local.tree, errors, warnings, settled));
  }, [local, refusal, preview.data, preview.isPlaceholderData, settled, seen.text]);

  return {
    /** The version that is typed over. */
    seen,
    text,
    dirty,
    committed,
    tree: local.tree,
    findings,
    schema,
    /** The hub's answer for this very text. */
    preview: dirty && settled === text && !preview.isPlaceholderData ? preview.data : undefined,
    checking: dirty && (settled !== text || preview.isFetching),
    refusal: dirty ? refusal : null,
    newer: file.version > seen.version ? file : null,
    change(wanted: string) {
      if (typed === null) setBase(file);
      setTyped(wanted);
    },
    /** Goes on over a newer version. */
    rebase(onto: SettingsFile, wanted: string) {
      setBase(onto);
      setTyped(wanted);
    },
    revert: () => setTyped(null),
  };
}

export type Draft = ReturnType<typeof useDraft>;

function localFindings(text: string, schema: Parameters<typeof checkSchema>[1] | undefined) {
  try {
    const tree = parseJson(text);
    const findings = (schema ? checkSchema(tree, schema) : []).map(
      ({ code, severity, pointer, from, to, wanted }): Finding => ({
        code,
        severity,
        pointer,
        from,
        to,
        detail: wanted,
        meant: code === "did_you_mean" ? wanted : undefined,
      }),
    );
    return { tree, findings };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    const from = Math.min(error.at, text.length);
    const to = Math.min(from + 1, text.length);
    const finding: Finding = {
      severity: "error",
      code: error.fault,
      pointer: pointerOf([]),
      detail: "",
      from,
      to,
    };
    return { tree: null, findings: [finding] };
  }
}

/** The text once nobody typed for a while. */
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), QUIET);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
