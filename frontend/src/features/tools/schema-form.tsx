import { Plus, Trash2 } from "lucide-react";
import { createContext, type ReactNode, useContext, useId, useState } from "react";
import { Badge } from "@/components/ui/badge";
import { Button, IconButton } from "@/components/ui/button";
import { Select } from "@/components/ui/select";
import { useMessages } from "@/i18n";
import { type Issue, optionOf, pointer } from "./check";
import { Scalar } from "./fields";
import { withMember } from "./model";
import { isObject, type Place, placeOf, type Schema, startOf } from "./schema";

interface Around {
  root: Schema;
  issues: Issue[];
}

const AroundContext = createContext<Around>({ root: {}, issues: [] });

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

function Members({ shape, value, path, onChange }: MembersProps) {
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
  const m = useMessages();
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

function Said({ description, issue, id }: { description: unknown; issue: Issue | undefined; id: string }) {
  const m = useMessages();
  return (
    <>
      {typeof description === "string" && description ? (
        <p data-name className="mt-0.5 text-ink-3 text-xs">
          {description}
        </p>
      ) : null}
      {issue ? (
        <p id={id} className="mt-0.5 text-bad text-xs">
          {m.tools.issues[issue.code](issue.want)}
        </p>
      ) : null}
    </>
  );
}

interface PartProps {
  id?: string;
  name: string;
  place: Place;
  path: string;
  value: unknown;
  onChange: (value: unknown) => void;
}

/** The value of one place, whatever its shape. */
function Part({ id, name, place, path, value, onChange }: PartProps) {
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

const Nest = ({ children }: { children: ReactNode }) => (
  <div className="rounded-md border border-line border-l-2 border-l-line-strong py-2.5 pr-2.5 pl-3">
    {children}
  </div>
);

interface ItemsProps extends Omit<PartProps, "place" | "id"> {
  item: Schema;
}

function Items({ name, item, value, path, onChange }: ItemsProps) {
  const m = useMessages();
  const { root, issues } = useContext(AroundContext);
  const place = placeOf(item, root, name);
  const items = Array.isArray(value) ? value : [];
  const put = (index: number, each: unknown) =>
    onChange(items.map((other, at) => (at === index ? (each ?? null) : other)));
  const begin = () => {
    const start = startOf(item, root);
    if (start !== undefined) return start;
    return { text: "", boolean: false, object: {}, number: 0 }[place.shape.kind as string] ?? null;
  };
  return (
    <div className="flex flex-col gap-1.5">
      {items.map((each, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: values have no identity of their own
        <div key={index} role="group" aria-label={`${name} ${index + 1}`}>
          <div className="flex items-start gap-1.5">
            <div className="min-w-0 flex-1">
              <Part
                name={`${name} ${index + 1}`}
                place={place}
                path={pointer(path, index)}
                value={each}
                onChange={(changed) => put(index, place.shape.kind === "text" ? (changed ?? "") : changed)}
              />
            </div>
            <IconButton
              label={m.tools.removeItem(name, String(index + 1))}
              onClick={() => onChange(items.filter((_, at) => at !== index))}
            >
              <Trash2 aria-hidden />
            </IconButton>
          </div>
          <Said
            description=""
            issue={issues.find((issue) => issue.path === pointer(path, index))}
            id={`${path}-${index}`}
          />
        </div>
      ))}
      <div>
        <Button aria-label={m.tools.addItem(name)} onClick={() => onChange([...items, begin()])}>
          <Plus aria-hidden />
          {m.tools.addShort}
        </Button>
      </div>
    </div>
  );
}

interface OneOfProps extends Omit<PartProps, "place" | "id"> {
  options: { name: string; schema: Schema }[];
}

function OneOf({ name, options, value, path, onChange }: OneOfProps) {
  const m = useMessages();
  const { root } = useContext(AroundContext);
  const [chosen, setChosen] = useState<number | null>(null);
  const at = Math.min(chosen ?? optionOf(value, options, root), options.length - 1);
  const option = options[at];
  if (option === undefined) return null;
  const choose = (index: number) => {
    setChosen(index);
    onChange(startOf(options[index]?.schema, root));
  };
  return (
    <Nest>
      <div className="mb-2 flex items-center gap-2">
        <Badge>{m.tools.oneOf}</Badge>
        <Select
          label={m.tools.kindOf(name)}
          value={String(at)}
          onChange={(index) => choose(Number(index))}
          options={options.map((each, index) => ({ value: String(index), label: each.name }))}
          className="h-7 w-48"
        />
      </div>
      <Part
        name={name}
        place={placeOf(option.schema, root, name)}
        path={path}
        value={value}
        onChange={onChange}
      />
    </Nest>
  );
}
