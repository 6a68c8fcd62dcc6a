import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet } from "@tanstack/react-router";
import { CircleUser, Keyboard, Languages, LogOut, Menu as MenuIcon, Moon, Search, Sun } from "lucide-react";
import { useCallback, useMemo, useState } from "react";
import { client } from "@/api/client";
import { Kbd } from "@/components/kbd";
import { Badge } from "@/components/ui/badge";
import { IconButton } from "@/components/ui/button";
import { Sheet } from "@/components/ui/dialog";
import { Menu, MenuChoice, MenuItem, MenuSeparator } from "@/components/ui/menu";
import { LANGUAGES, type Language, useMessages } from "@/i18n";
import { useShortcut } from "@/lib/shortcuts";
import { useCommands } from "./commands";
import { Degraded } from "./degraded";
import { Logo } from "./logo";
import { type Density, type Theme, useLook } from "./look";
import { Navigation } from "./navigation";
import { Palette } from "./palette";
import { meQuery, useMe } from "./session";
import { Toasts } from "./toasts";

/** The frame around every page of somebody signed in. */
export function Shell() {
  const m = useMessages();
  const [finding, setFinding] = useState(false);
  const [menuOpen, setMenuOpen] = useState(false);
  const [help, setHelp] = useState(false);
  useShortcut("mod+k", () => setFinding((open) => !open));
  useShortcut("?", () => setHelp(true));
  useShortcut("/", () => document.querySelector<HTMLElement>("[data-page-search]")?.focus());
  const showHelp = useCallback(() => setHelp(true), []);
  useLookCommands(showHelp);

  return (
    <div className="grid h-dvh grid-rows-[auto_minmax(0,1fr)] lg:grid-cols-[216px_minmax(0,1fr)] lg:grid-rows-1">
      <a
        href="#main"
        className="absolute -top-20 left-2 z-50 rounded-md bg-accent px-3 py-1.5 text-accent-ink focus:top-2"
      >
        {m.shell.skip}
      </a>
      <aside className="hidden flex-col overflow-y-auto border-line border-r bg-sunken px-2 pt-2.5 pb-2 lg:flex">
        <Brand />
        <FindButton onPress={() => setFinding(true)} />
        <Navigation />
        <div className="mt-auto border-line border-t pt-2">
          <Account onHelp={showHelp} />
        </div>
      </aside>
      <header className="flex h-12 items-center gap-1 border-line border-b bg-sunken px-2 lg:hidden">
        <IconButton label={m.shell.menu} onClick={() => setMenuOpen(true)}>
          <MenuIcon aria-hidden />
        </IconButton>
        <Brand />
        <IconButton label={m.shell.find} className="ml-auto" onClick={() => setFinding(true)}>
          <Search aria-hidden />
        </IconButton>
      </header>
      <Sheet open={menuOpen} onOpenChange={setMenuOpen} side="left" title="MCPHub" className="w-64 bg-sunken">
        <div className="flex flex-1 flex-col gap-4 px-2 pb-2">
          <Navigation onGo={() => setMenuOpen(false)} />
          <div className="mt-auto border-line border-t pt-2">
            <Account onHelp={showHelp} />
          </div>
        </div>
      </Sheet>
      <main id="main" tabIndex={-1} className="relative flex min-h-0 flex-col overflow-y-auto outline-none">
        <Degraded />
        <Outlet />
      </main>
      <Toasts />
      <Palette open={finding} onOpenChange={setFinding} />
      <Shortcuts open={help} onOpenChange={setHelp} />
    </div>
  );
}

function Brand() {
  return (
    <Link
      to="/"
      className="flex items-center gap-2 rounded-md px-1.5 pb-2.5 font-semibold text-lg tracking-tight max-lg:pb-0"
    >
      <Logo />
      MCPHub
    </Link>
  );
}

function FindButton({ onPress }: { onPress: () => void }) {
  const m = useMessages();
  return (
    <button
      type="button"
      onClick={onPress}
      className="mb-4 flex h-7.5 w-full shrink-0 items-center gap-2 rounded-md border border-line bg-surface pr-1.5 pl-2 text-ink-3 transition-colors duration-150 hover:border-line-strong hover:text-ink-2"
    >
      <Search className="size-4" aria-hidden />
      <span className="flex-1 text-left">{m.shell.find}</span>
      <Kbd keys="mod+k" />
    </button>
  );
}

const THEMES: Theme[] = ["system", "light", "dark"];
const DENSITIES: Density[] = ["comfortable", "compact"];
const LANGUAGE_OPTIONS = Object.entries(LANGUAGES).map(([value, label]) => ({
  value: value as Language,
  label,
}));

function Account({ onHelp }: { onHelp: () => void }) {
  const m = useMessages();
  const me = useMe();
  const { language, theme, density, dark, change } = useLook();
  const signOut = useSignOut();
  const role = me.isAdmin ? "admin" : me.isAuditor ? "auditor" : "user";
  return (
    <div className="flex items-center gap-0.5">
      <Menu
        align="start"
        side="top"
        trigger={
          <button
            type="button"
            aria-label={`${m.shell.account}: ${me.username}`}
            className="flex h-8 min-w-0 flex-1 items-center gap-2 rounded-md px-1.5 text-left hover:bg-raised"
          >
            <CircleUser className="size-4.5 shrink-0 text-ink-2" aria-hidden />
            <span className="truncate">{me.username}</span>
          </button>
        }
      >
        <div className="px-2 py-1.5">
          <p className="font-semibold">{me.displayName || me.username}</p>
          <Badge tone={role === "user" ? "neutral" : "accent"}>{m.shell.role[role]}</Badge>
        </div>
        <MenuSeparator />
        <MenuChoice
          label={m.shell.theme}
          value={theme}
          options={THEMES.map((value) => ({ value, label: m.shell.themes[value] }))}
          onChange={(wanted) => change({ theme: wanted })}
        />
        <MenuChoice
          label={m.shell.density}
          value={density}
          options={DENSITIES.map((value) => ({ value, label: m.shell.densities[value] }))}
          onChange={(wanted) => change({ density: wanted })}
        />
        <MenuSeparator />
        <MenuItem icon={<Keyboard aria-hidden />} onSelect={onHelp}>
          {m.shell.shortcuts}
        </MenuItem>
        <MenuItem icon={<LogOut aria-hidden />} onSelect={() => signOut.mutate()}>
          {m.shell.signOut}
        </MenuItem>
      </Menu>
      <Menu
        side="top"
        trigger={
          <IconButton label={`${m.shell.language}: ${LANGUAGES[language]}`}>
            <Languages aria-hidden />
          </IconButton>
        }
      >
        <MenuChoice
          label={m.shell.language}
          value={language}
          options={LANGUAGE_OPTIONS}
          onChange={(wanted) => change({ language: wanted })}
        />
      </Menu>
      <IconButton
        label={`${m.shell.theme}: ${m.shell.themes[dark ? "light" : "dark"]}`}
        onClick={() => change({ theme: dark ? "light" : "dark" })}
      >
        {dark ? <Sun aria-hidden /> : <Moon aria-hidden />}
      </IconButton>
    </div>
  );
}

function useSignOut() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => client.POST("/api/auth/logout"),
    onSettled: () => {
      // Everything that was read belonged to whoever left: begin anew, without a trace in memory.
      queries.setQueryData(meQuery.queryKey, null);
      window.location.assign("/login");
    },
  });
}

function useLookCommands(help: () => void): void {
  const m = useMessages();
  const { change, dark, language } = useLook();
  const signOut = useSignOut().mutate;
  useCommands(
    useMemo(
      () => [
        {
          id: "theme",
          name: `${m.shell.theme}: ${m.shell.themes[dark ? "light" : "dark"]}`,
          run: () => change({ theme: dark ? "light" : "dark" }),
        },
        {
          id: "language",
          name: `${m.shell.language}: ${LANGUAGES[language === "ko" ? "en" : "ko"]}`,
          run: () => change({ language: language === "ko" ? "en" : "ko" }),
        },
        { id: "shortcuts", name: m.shell.shortcuts, keys: "?", run: help },
        { id: "sign-out", name: m.shell.signOut, run: () => signOut() },
      ],
      [m, change, dark, language, signOut, help],
    ),
  );
}

function Shortcuts({ open, onOpenChange }: { open: boolean; onOpenChange: (open: boolean) => void }) {
  const m = useMessages();
  const names = m.shell.shortcutNames;
  const rows = [
    [["mod+k"], names.palette],
    [["/"], names.focusSearch],
    [["j", "k"], names.move],
    [["Enter"], names.open],
    [["Esc"], names.leave],
    [["l"], names.live],
    [["mod+s"], names.save],
    [["?"], names.help],
  ] as const;
  return (
    <Sheet open={open} onOpenChange={onOpenChange} title={m.shell.shortcuts}>
      <dl className="px-4 pb-4">
        {rows.map(([keys, name]) => (
          <div key={name} className="flex h-9 items-center justify-between border-line border-b">
            <dt>{name}</dt>
            <dd className="flex gap-1">
              {keys.map((key) => (
                <Kbd key={key} keys={key} />
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Sheet>
  );
}
