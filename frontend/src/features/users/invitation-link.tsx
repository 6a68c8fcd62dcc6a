import { CopyButton } from "@/components/ui/copy-button";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { usersTexts } from "@/i18n/users";

/** A link by which somebody chooses a password. Its code stands behind `#`, which no server is sent; shown this once. */
export function InvitationLink({ link }: { link: string }) {
  const m = useMessages(usersTexts);
  return (
    <div className="flex flex-col gap-2.5">
      <Notice tone="warn" announce>
        {m.users.linkOnce}
      </Notice>
      <div className="flex items-center gap-1 rounded-md border border-accent-line bg-accent-soft py-1 pr-1 pl-3">
        <output aria-label={m.users.link} className="min-w-0 flex-1 break-all font-mono text-xs">
          {link}
        </output>
        <CopyButton withText value={() => link} />
      </div>
    </div>
  );
}
