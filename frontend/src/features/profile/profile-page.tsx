import { Page } from "@/components/page";
import { useMessages } from "@/i18n";
import { profileTexts } from "@/i18n/profile";
import { AccountCard } from "./account-card";
import { DisplayCard } from "./display-card";
import { ExposureCard } from "./exposure-card";
import { PasswordCard } from "./password-card";
import { SessionsCard } from "./sessions-card";

/** What is the reader's own: the look of the hub, the lists of their clients, their sessions and password. */
export function ProfilePage() {
  const m = useMessages(profileTexts);
  return (
    <Page width="form" title={m.profile.title} subtitle={m.profile.subtitle} className="gap-3">
      <AccountCard />
      <ExposureCard />
      <DisplayCard />
      <SessionsCard />
      <PasswordCard />
    </Page>
  );
}
