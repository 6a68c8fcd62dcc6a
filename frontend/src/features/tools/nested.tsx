import { Plus, Trash2 } from "lucide-react";
import { useContext, useState } from "react";
import { Badge } from "@/components/ui/badge";
import { Button, IconButton } from "@/components/ui/button";
import { Select } from "@/components/ui/select";
import { useMessages } from "@/i18n";
import { toolsTexts } from "@/i18n/tools";
import { AroundContext, Nest, Said } from "./around";
import { optionOf, pointer } from "./check";
import { placeOf, type Schema, startOf } from "./schema";
import { Members, Part, type PartProps } from "./schema-form";

interface ItemsProps extends Omit<PartProps, "place" | "id"> {
  item: Schema;
}

export function Items({ name, item, value, path, onChange }: ItemsProps) {
  const m = useMessages(toolsTexts);
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

export function OneOf({ name, options, value, path, onChange }: OneOfProps) {
  const m = useMessages(toolsTexts);
  const { root } = useContext(AroundContext);
  const [chosen, setChosen] = useState<number | null>(null);
  const at = Math.min(chosen ?? optionOf(value, options, root), options.length - 1);
  const option = options[at];
  if (option === undefined) return null;
  const place = placeOf(option.schema, root, name);
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
      {place.shape.kind === "object" ? (
        <Members shape={place.shape} value={value} path={path} onChange={onChange} />
      ) : (
        <Part name={name} place={place} path={path} value={value} onChange={onChange} />
      )}
    </Nest>
  );
}
