import { useQuery } from "@tanstack/react-query";
import { definitionsQuery } from "@/api/access";
import { JsonView } from "@/components/json-view";
import { Loaded, SkeletonRows } from "@/components/states";
import { Popover } from "@/components/ui/popover";
import { useMessages } from "@/i18n";
import { accessTexts } from "@/i18n/access";

interface DefinitionThenProps {
  name: string;
  /** Whose list it is, at which address, through which key, and when. */
  asked: { user: string; url: string; keyId: string; at: string };
}

/** A name of an earlier list, which opens what the list said of the tool. */
export function DefinitionThen({ name, asked }: DefinitionThenProps) {
  const m = useMessages(accessTexts);
  return (
    <Popover
      label={m.access.definitionOf(name)}
      align="end"
      className="w-120 max-w-[90vw]"
      trigger={
        <button type="button" className="rounded text-left underline decoration-dotted hover:text-accent">
          {name}
        </button>
      }
    >
      <Definition name={name} asked={asked} />
    </Popover>
  );
}

function Definition({ name, asked: { user, url, keyId, at } }: DefinitionThenProps) {
  const m = useMessages(accessTexts);
  const query = useQuery(definitionsQuery(user, url, keyId, at));
  return (
    <Loaded query={query} skeleton={<SkeletonRows rows={4} />}>
      {(definitions) => {
        const found = definitions.get(name);
        return found ? (
          <JsonView value={found} label={m.access.definitionOf(name)} open={2} className="max-h-96" />
        ) : (
          <p className="text-ink-3 text-sm">{m.access.noDefinition}</p>
        );
      }}
    </Loaded>
  );
}
