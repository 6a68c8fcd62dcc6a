import { useMessages } from "@/i18n";
import { requestsTexts } from "@/i18n/requests";

/** A reason of the hub in words; one that has none yet as the hub spells it. */
export function Reason({ reason }: { reason: string }) {
  const { reasons } = useMessages(requestsTexts).requests;
  if (reason in reasons) return reasons[reason as keyof typeof reasons];
  return <code>{reason}</code>;
}
