import type { Affected, AffectedUser, Names } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { useMessages } from "@/i18n";
import { undoTexts } from "@/i18n/undo";

/** Whom a change would affect: who gains and loses which servers and tools, and the sessions they have open. */
export function AffectedUsers({ affected }: { affected: Affected }) {
  const m = useMessages(undoTexts);
  const format = useFormat();
  if (affected.users === 0) return <p className="text-ink-2">{m.undo.nobody}</p>;
  const more = affected.users - affected.first.length;
  return (
    <>
      <p className="mb-1 text-ink-2">
        {m.undo.users(format.number(affected.users))} ·{" "}
        {m.undo.openSessions(format.number(affected.sessions))}
      </p>
      <table className="w-full text-left text-sm">
        <thead className="text-2xs text-ink-3">
          <tr>
            <th scope="col" className="py-1 font-medium">
              {m.undo.user}
            </th>
            <th scope="col" className="px-2 py-1 font-medium">
              {m.undo.gains}
            </th>
            <th scope="col" className="py-1 font-medium">
              {m.undo.loses}
            </th>
          </tr>
        </thead>
        <tbody>
          {affected.first.map((user) => (
            <Row key={user.userId} user={user} />
          ))}
        </tbody>
      </table>
      {more > 0 ? <p className="pt-1 text-ink-3 text-sm">{m.undo.more(format.number(more))}</p> : null}
    </>
  );
}

function Row({ user }: { user: AffectedUser }) {
  const m = useMessages(undoTexts);
  const format = useFormat();
  return (
    <tr className="border-line border-t align-top">
      <th scope="row" className="py-1 font-normal">
        <span data-name>{user.userName}</span>
        {user.sessions > 0 ? (
          <span className="block text-2xs text-ink-3">
            {m.undo.openSessions(format.number(user.sessions))}
          </span>
        ) : null}
      </th>
      <td className="px-2 py-1 text-ok">{said(user.serversGained, user.toolsGained)}</td>
      <td className="py-1 text-bad">{said(user.serversLost, user.toolsLost)}</td>
    </tr>
  );

  function said(servers: Names, tools: Names) {
    if (servers.count === 0 && tools.count === 0) return <span className="text-ink-3">{m.undo.nothing}</span>;
    return (
      <>
        {servers.names.join(", ")}
        {tools.count > 0 ? (
          <span title={tools.names.join("\n")} className="block text-xs">
            {m.undo.tools(format.number(tools.count))}
          </span>
        ) : null}
      </>
    );
  }
}
