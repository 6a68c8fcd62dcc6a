import { getRouteApi, Link } from "@tanstack/react-router";
import { CircleX, Hourglass, Lock } from "lucide-react";
import { EmptyState } from "@/components/states";
import { buttonLook } from "@/components/ui/button";
import { useMessages } from "@/i18n";
import { signInTexts } from "@/i18n/sign-in";
import { SignInFrame } from "./frame";

const route = getRouteApi("/auth/error");

/** Who came and was not let in: why, and what happens next. */
export function RefusedPage() {
  const m = useMessages(signInTexts);
  const { code = "" } = route.useSearch();
  const pages = {
    user_pending: { icon: <Hourglass />, title: m.signIn.pendingTitle, text: m.signIn.pendingText },
    user_inactive: { icon: <Lock />, title: m.signIn.inactiveTitle, text: m.signIn.inactiveText },
  };
  const known = m.errors.codes as Record<string, string>;
  const other = {
    icon: <CircleX />,
    title: m.signIn.errorTitle,
    text: known[code] ?? m.errors.codes.provider_error,
  };
  const { icon, title, text } = pages[code as keyof typeof pages] ?? other;
  return (
    <SignInFrame title="MCPHub">
      <EmptyState
        className="px-0 py-2"
        icon={icon}
        title={<h2>{title}</h2>}
        action={
          <Link to="/login" className={buttonLook({ tone: "primary", size: "md" })}>
            {m.signIn.signInAgain}
          </Link>
        }
      >
        {text}
      </EmptyState>
    </SignInFrame>
  );
}
