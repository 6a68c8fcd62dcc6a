import { Ellipsis, PencilLine, TextCursorInput } from "lucide-react";
import { useState } from "react";
import { explain } from "@/api/problem";
import type { ToolView } from "@/api/schema.gen";
import { Button, IconButton } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field } from "@/components/ui/field";
import { Input, Textarea } from "@/components/ui/input";
import { Menu, MenuItem } from "@/components/ui/menu";
import { Switch } from "@/components/ui/switch";
import { useMessages } from "@/i18n";
import { toolsTexts } from "@/i18n/tools";
import { useToolCommands } from "./commands";

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const MOST_TEXT = 4000;

/** What an administrator may do with a tool. */
export function ToolActions({ tool }: { tool: ToolView }) {
  const m = useMessages(toolsTexts);
  const commands = useToolCommands(tool.server, tool.name);
  const [open, setOpen] = useState<"name" | "description" | null>(null);
  const close = () => {
    setOpen(null);
    commands.rename.reset();
    commands.describe.reset();
  };
  return (
    <>
      <Switch
        label={m.tools.enabled}
        checked={tool.enabled}
        disabled={commands.toggle.isPending}
        onChange={(wanted) => commands.toggle.mutate(wanted)}
      />
      <Menu
        trigger={
          <IconButton label={m.common.actions}>
            <Ellipsis aria-hidden />
          </IconButton>
        }
      >
        <MenuItem icon={<TextCursorInput aria-hidden />} onSelect={() => setOpen("name")}>
          {m.tools.rename}
        </MenuItem>
        <MenuItem icon={<PencilLine aria-hidden />} onSelect={() => setOpen("description")}>
          {m.tools.describe}
        </MenuItem>
      </Menu>
      {open === "name" ? <Rename tool={tool} rename={commands.rename} onClose={close} /> : null}
      {open === "description" ? <Describe tool={tool} describe={commands.describe} onClose={close} /> : null}
    </>
  );
}

type Commands = ReturnType<typeof useToolCommands>;

interface RenameProps {
  tool: ToolView;
  rename: Commands["rename"];
  onClose: () => void;
}

function Rename({ tool, rename, onClose }: RenameProps) {
  const m = useMessages(toolsTexts);
  const [name, setName] = useState(tool.displayName ?? tool.name);
  const wrong = name !== "" && !NAME.test(name) ? m.tools.nameForm : undefined;
  const save = (wanted: string | null) => rename.mutate(wanted, { onSuccess: onClose });
  const ready = NAME.test(name) && name !== (tool.displayName ?? tool.name);
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={m.tools.rename}
      description={m.tools.renameText}
      actions={
        <>
          {tool.displayName === undefined ? null : (
            <Button size="md" className="mr-auto" disabled={rename.isPending} onClick={() => save(null)}>
              {m.tools.resetName}
            </Button>
          )}
          <Button size="md" onClick={onClose}>
            {m.common.cancel}
          </Button>
          <Button
            size="md"
            tone="primary"
            busy={rename.isPending}
            disabled={!ready}
            onClick={() => save(name)}
          >
            {m.common.save}
          </Button>
        </>
      }
    >
      <Field
        label={m.tools.newName}
        hint={m.tools.ownNameIs(tool.name)}
        error={wrong ?? (rename.error ? explain(rename.error, m) : undefined)}
      >
        {(parts) => (
          <Input
            {...parts}
            autoFocus
            autoComplete="off"
            spellCheck={false}
            className="font-mono"
            value={name}
            onChange={(event) => {
              rename.reset();
              setName(event.target.value);
            }}
            onKeyDown={(event) => {
              if (event.key === "Enter" && ready) save(name);
            }}
          />
        )}
      </Field>
    </Dialog>
  );
}

interface DescribeProps {
  tool: ToolView;
  describe: Commands["describe"];
  onClose: () => void;
}

function Describe({ tool, describe, onClose }: DescribeProps) {
  const m = useMessages(toolsTexts);
  const [text, setText] = useState(tool.description);
  const save = (wanted: string | null) => describe.mutate(wanted, { onSuccess: onClose });
  const ready = text.trim() !== "" && text.length <= MOST_TEXT && text !== tool.description;
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={m.tools.describe}
      description={m.tools.describeText}
      className="w-[min(40rem,calc(100vw-2rem))]"
      actions={
        <>
          {tool.originalDescription === undefined ? null : (
            <Button size="md" className="mr-auto" disabled={describe.isPending} onClick={() => save(null)}>
              {m.tools.resetDescription}
            </Button>
          )}
          <Button size="md" onClick={onClose}>
            {m.common.cancel}
          </Button>
          <Button
            size="md"
            tone="primary"
            busy={describe.isPending}
            disabled={!ready}
            onClick={() => save(text)}
          >
            {m.common.save}
          </Button>
        </>
      }
    >
      <Field label={m.tools.description} error={describe.error ? explain(describe.error, m) : undefined}>
        {(parts) => (
          <Textarea
            {...parts}
            autoFocus
            rows={6}
            maxLength={MOST_TEXT}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        )}
      </Field>
    </Dialog>
  );
}
