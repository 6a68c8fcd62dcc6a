import { Link } from "@tanstack/react-router";
import { useMe } from "@/app/session";
import { AsOf } from "@/components/as-of";
import { useMessages } from "@/i18n";
import { pastTexts } from "@/i18n/past";

interface ThenLineProps {
  at: string;
  /** Of the time, once it is known. */
  position: number | null;
  onNow: () => void;
}

const LOOK = "text-accent text-sm underline";

/** The amber line of the timeline, with the other pages that show the same time. */
export function ThenLine({ at, position, onNow }: ThenLineProps) {
  const m = useMessages(pastTexts);
  const { isAdmin } = useMe();
  const then = { at: String(position ?? at) };
  return (
    <AsOf at={at} onNow={onNow}>
      {position === null ? null : (
        <nav aria-label={m.past.seeThen} className="flex flex-wrap items-center gap-x-2.5">
          {isAdmin ? (
            <>
              <Link to="/admin/users" search={then} className={LOOK}>
                {m.shell.pageNames.users}
              </Link>
              <Link to="/admin/audiences" search={then} className={LOOK}>
                {m.shell.pageNames.audiences}
              </Link>
              <Link to="/admin/config" search={then} className={LOOK}>
                {m.shell.pageNames.config}
              </Link>
              <Link to="/admin/access" search={then} className={LOOK}>
                {m.shell.pageNames.access}
              </Link>
            </>
          ) : null}
          <Link to="/servers" search={then} className={LOOK}>
            {m.shell.pageNames.servers}
          </Link>
          <Link to="/user-groups" search={then} className={LOOK}>
            {m.shell.pageNames.groups}
          </Link>
          <Link to="/admin/diff" search={{ from: then.at }} className={LOOK}>
            {m.past.since}
          </Link>
        </nav>
      )}
    </AsOf>
  );
}
