import { useState } from "react";
import { Input, Textarea } from "@/components/ui/input";
import { SecretInput } from "@/components/ui/secret-field";
import { Segmented } from "@/components/ui/segmented";
import { Select } from "@/components/ui/select";
import { useMessages } from "@/i18n";
import { toolsTexts } from "@/i18n/tools";
import { pretty, typedJson, typedNumber } from "./model";
import type { Place } from "./schema";

interface ScalarProps {
  id?: string;
  name: string;
  place: Place;
  path: string;
  value: unknown;
  onChange: (value: unknown) => void;
}

/** A value that is one field. An empty field is left out of the arguments. */
export function Scalar({ id, name, place, path, value, onChange }: ScalarProps) {
  const m = useMessages(toolsTexts);
  const { shape, schema } = place;
  const example = schema.default ?? (Array.isArray(schema.examples) ? schema.examples[0] : undefined);
  const shared = {
    id,
    "aria-label": id === undefined ? name : undefined,
    "data-path": path,
    placeholder:
      example === undefined ? undefined : typeof example === "string" ? example : JSON.stringify(example),
    autoComplete: "off",
    spellCheck: false,
    className: "font-mono",
  };
  switch (shape.kind) {
    case "text": {
      const text = typeof value === "string" ? value : "";
      const change = (typed: string) => onChange(typed === "" ? undefined : typed);
      if (shape.secret) {
        const { className: _, ...rest } = shared;
        return <SecretInput {...rest} value={text} onChange={(event) => change(event.target.value)} />;
      }
      // A text may have lines; the field grows with them.
      return (
        <Textarea
          {...shared}
          rows={shape.long ? 4 : 1}
          value={text}
          onChange={(event) => change(event.target.value)}
          className={`${shared.className} field-sizing-content max-h-72 resize-none ${shape.long ? "min-h-20" : "min-h-8"}`}
        />
      );
    }
    case "number":
      return <Typed {...shared} value={value} read={typedNumber} write={String} onChange={onChange} />;
    case "boolean":
      return (
        <Segmented
          label={name}
          value={typeof value === "boolean" ? String(value) : ""}
          onChange={(wanted) => onChange(wanted === "" ? undefined : wanted === "true")}
          options={[
            { value: "", label: m.tools.leftOut },
            { value: "true", label: "true" },
            { value: "false", label: "false" },
          ]}
        />
      );
    case "choice":
      return (
        <Select
          id={id}
          label={name}
          value={value === undefined ? "" : JSON.stringify(value)}
          onChange={(wanted) => onChange(wanted === "" ? undefined : (JSON.parse(wanted) as unknown))}
          options={[
            { value: "", label: m.tools.leftOut },
            ...shape.values.map((each, index) => ({
              value: JSON.stringify(each),
              label: shape.names[index] ?? JSON.stringify(each),
            })),
          ]}
        />
      );
    default:
      return (
        <Typed
          {...shared}
          multiline
          placeholder={shared.placeholder ?? m.tools.anyJson}
          value={value}
          read={typedJson}
          write={pretty}
          onChange={onChange}
        />
      );
  }
}

interface TypedProps {
  id?: string;
  value: unknown;
  /** What a text says, and the text of a value. */
  read: (text: string) => unknown;
  write: (value: unknown) => string;
  onChange: (value: unknown) => void;
  multiline?: boolean;
  placeholder?: string;
  className?: string;
}

/** A field whose text is kept as it was typed as long as it says the same: `1.0` stays `1.0`. */
function Typed({ value, read, write, onChange, multiline, ...rest }: TypedProps) {
  const [typed, setTyped] = useState<string | null>(null);
  const told = (text: string) => JSON.stringify(read(text));
  const own = typed !== null && told(typed) === JSON.stringify(value) ? typed : null;
  const text = own ?? (value === undefined ? "" : typeof value === "string" ? value : write(value));
  const change = (event: { target: { value: string } }) => {
    setTyped(event.target.value);
    onChange(read(event.target.value));
  };
  return multiline ? (
    <Textarea
      {...rest}
      value={text}
      onChange={change}
      className="field-sizing-content max-h-72 min-h-16 font-mono"
    />
  ) : (
    <Input {...rest} inputMode="decimal" value={text} onChange={change} />
  );
}
