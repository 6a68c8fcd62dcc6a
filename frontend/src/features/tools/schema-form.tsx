import { Plus, Trash2 } from "lucide-react";
import { useContext, useId } from "react";
import { Button, IconButton } from "@/components/ui/button";
import { useMessages } from "@/i18n";
import { toolsTexts } from "@/i18n/tools";
import { type Around, AroundContext, Nest, Said } from "./around";
import { pointer } from "./check";
import { Scalar } from "./fields";
import { withMember } from "./model";
import { Items, OneOf } from "./nested";
import { isObject, type Place, placeOf, type Schema, startOf } from "./schema";

interface SchemaFormProps extends Around {
  value: Schema;
  onChange: (value: Schema) => void;
}

/** A form for the arguments of a tool, made of its schema. */
export function SchemaForm({ root, issues, value, onChange }: SchemaFormProps) {
  const { shape } = placeOf(root, root);
  return (
    <AroundContext value={{ root, issues }}>
      {shape.kind === "object" ? (
        <Members shape={shape} value={value} path="" onChange={onChange} />
      ) : (
        <Part
          name=""
          place={placeOf(root, root)}
          path=""
          value={value}
          onChange={(each) => onChange(isObject(each) ? each : {})}
        />
      )}
    </AroundContext>
  );
}

interface MembersProps {
  shape: Extract<Place["shape"], { kind: "object" }>;
  value: unknown;
  path: string;
  onChange: (value: Schema) => void;
}

export function Members({ shape, value, path, onChange }: MembersProps) {
  const { root } = useContext(AroundContext);
  const members = isObject(value) ? value : {};
  return (
    <div className="flex flex-col gap-3">
      {shape.properties.map(({ name, schema, required }) => (
        <Member
          key={name}
          name={name}
          place={placeOf(schema, root, name)}
          required={required}
          path={pointer(path, name)}
          value={members[name]}
          onChange={(each) => onChange(withMember(members, name, each))}
        />
      ))}
    </div>
  );
}

interface MemberProps {
  name: string;
  place: Place;
  required: boolean;
  path: string;
  value: unknown;
  onChange: (value: unknown) => void;
}

const NESTED = new Set(["object", "list", "oneOf"]);

/** One member of an object: its name, what is said of it, its value, and what is wrong with that. */
function Member({ name, place, required, path, value, onChange }: MemberProps) {
  const m = useMessages(toolsTexts);
  const id = useId();
  const { root, issues } = useContext(AroundContext);
  const { schema, nullable, shape } = place;
  const nested = NESTED.has(shape.kind);
  const here = issues.find((issue) => issue.path === path);
  const title = typeof schema.title === "string" && schema.title.toLowerCase() !== name ? schema.title : "";
  return (
    <div {...(nested ? { role: "group", "aria-label": name } : {})} className="min-w-0">
      <div className="mb-1 flex min-h-5 flex-wrap items-center gap-1.5">
        {nested ? (
          <span className="font-mono font-semibold text-sm">{name}</span>
        ) : (
          <label htmlFor={id} className="font-mono font-semibold text-sm">
            {name}
          </label>
        )}
        {required ? (
          <span className="text-bad" title={m.common.required}>
            *<span className="sr-only">{m.common.required}</span>
          </span>
        ) : null}
        {title ? (
          <span data-name className="text-ink-3 text-xs">
            {title}
          </span>
        ) : null}
        {nullable ? (
          <Button
            tone={value === null ? "on" : "ghost"}
            aria-pressed={value === null}
            aria-label={`${name}: null`}
            className="h-5 px-1.5 font-mono text-2xs"
            onClick={() => onChange(value === null ? undefined : null)}
          >
            null
          </Button>
        ) : null}
        {nested && !required && value !== undefined ? (
          <IconButton
            label={m.tools.leaveOut(name)}
            className="ml-auto size-5 [&_svg]:size-3.5"
            onClick={() => onChange(undefined)}
          >
            <Trash2 aria-hidden />
          </IconButton>
        ) : null}
      </div>
      {value === null ? (
        <p id={id} className="text-ink-3 text-sm">
          {m.tools.isNull}
        </p>
      ) : nested && !required && value === undefined ? (
        <Button
          aria-label={m.tools.add(name)}
          onClick={() =>
            onChange(
              startOf(schema, root) ?? (shape.kind === "list" ? [] : shape.kind === "object" ? {} : ""),
            )
          }
        >
          <Plus aria-hidden />
          {m.tools.addShort}
        </Button>
      ) : (
        <Part id={id} name={name} place={place} path={path} value={value} onChange={onChange} />
      )}
      <Said description={schema.description} issue={here} id={`${id}-said`} />
    </div>
  );
}

export interface PartProps {
  id?: string;
  name: string;
  place: Place;
  path: string;
  value: unknown;
  onChange: (value: unknown) => void;
}

/** The value of one place, whatever its shape. */
export function Part({ id, name, place, path, value, onChange }: PartProps) {
  const { shape } = place;
  if (shape.kind === "object") {
    return (
      <Nest>
        <Members shape={shape} value={value} path={path} onChange={onChange} />
      </Nest>
    );
  }
  if (shape.kind === "list") {
    return <Items name={name} item={shape.item} value={value} path={path} onChange={onChange} />;
  }
  if (shape.kind === "oneOf") {
    return <OneOf name={name} options={shape.options} value={value} path={path} onChange={onChange} />;
  }
  return <Scalar id={id} name={name} place={place} path={path} value={value} onChange={onChange} />;
}
