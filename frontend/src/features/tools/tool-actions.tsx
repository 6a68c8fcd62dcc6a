import { Ellipsis, PencilLine, TextCursorInput } from "lucide-react";
import { type ReactNode, useState } from "react";
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

/** A change of one text; `null` takes the administrator's away, and the server's own stands again. */
type TextChange = ReturnType<typeof useToolCommands>["rename" | "describe"];

interface RenameProps {
  tool: ToolView;
  rename: TextChange;
  onClose: () => void;
}

function Rename({ tool, rename, onClose }: RenameProps) {
  const m = useMessages(toolsTexts);
  const [name, setName] = useState(tool.displayName ?? tool.name);
  const wrong = name !== "" && !NAME.test(name) ? m.tools.nameForm : undefined;
  const ready = NAME.test(name) && name !== (tool.displayName ?? tool.name);
  return (
    <TextDialog
      title={m.tools.rename}
      description={m.tools.renameText}
      reset={tool.displayName === undefined ? null : m.tools.resetName}
      change={rename}
      value={name}
      ready={ready}
      onClose={onClose}
    >
      {(save) => (
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
                if (event.key === "Enter" && ready) save();
              }}
            />
          )}
        </Field>
      )}
    </TextDialog>
  );
}

interface DescribeProps {
  tool: ToolView;
  describe: TextChange;
  onClose: () => void;
}

function Describe({ tool, describe, onClose }: DescribeProps) {
  const m = useMessages(toolsTexts);
  const [text, setText] = useState(tool.description);
  return (
    <TextDialog
      title={m.tools.describe}
      description={m.tools.describeText}
      reset={tool.originalDescription === undefined ? null : m.tools.resetDescription}
      change={describe}
      value={text}
      ready={text.trim() !== "" && text.length <= MOST_TEXT && text !== tool.description}
      onClose={onClose}
      className="w-[min(40rem,calc(100vw-2rem))]"
    >
      {() => (
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
      )}
    </TextDialog>
  );
}

interface TextDialogProps {
  title: string;
  description: string;
  /** What the button says that takes the administrator's text away; null when there is none. */
  reset: string | null;
  change: TextChange;
  value: string;
  /** May the value be saved? */
  ready: boolean;
  onClose: () => void;
  className?: string;
  children: (save: () => void) => ReactNode;
}

function TextDialog({ reset, change, value, ready, onClose, children, ...rest }: TextDialogProps) {
  const m = useMessages();
  const save = (wanted: string | null) => change.mutate(wanted, { onSuccess: onClose });
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      actions={
        <>
          {reset === null ? null : (
            <Button size="md" className="mr-auto" disabled={change.isPending} onClick={() => save(null)}>
              {reset}
            </Button>
          )}
          <Button size="md" onClick={onClose}>
            {m.common.cancel}
          </Button>
          <Button
            size="md"
            tone="primary"
            busy={change.isPending}
            disabled={!ready}
            onClick={() => save(value)}
          >
            {m.common.save}
          </Button>
        </>
      }
      {...rest}
    >
      {children(() => save(value))}
    </Dialog>
  );
}
