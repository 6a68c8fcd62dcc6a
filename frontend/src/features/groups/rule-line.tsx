import { useQuery } from "@tanstack/react-query";
import { myAccessQuery } from "@/api/my-access";
import type { GroupView, ServerView } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { groupsTexts } from "@/i18n/groups";
import { rich } from "@/i18n/rich";
import { ruleOf, shownServers } from "./model";

/** What the groups come down to now, in one line that is always there. */
export function RuleLine({ groups, servers }: { groups: GroupView[]; servers: ServerView[] }) {
  const m = useMessages(groupsTexts);
  const format = useFormat();
  const { data: access } = useQuery(myAccessQuery());
  const rule = ruleOf(groups);
  if (rule.kind === "nothing") {
    return (
      <Notice tone="warn" announce>
        {rich(m.groups.rule.nothing)}
      </Notice>
    );
  }
  if (!access) return <div className="skeleton h-8 rounded-md" />;
  const shown = shownServers(access, servers);
  const count = format.number(shown.length);
  const tools = format.number(shown.reduce((sum, each) => sum + each.tools.length, 0));
  return (
    <Notice announce>
      {rich(
        rule.kind === "everything"
          ? m.groups.rule.everything(count, tools)
          : m.groups.rule.union(count, tools, format.number(rule.active), format.number(rule.groups)),
      )}
    </Notice>
  );
}
