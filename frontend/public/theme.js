// Before the first paint, so that nothing flashes: what this browser chose last, or what the system says.
{
  let stored = {};
  try {
    stored = JSON.parse(localStorage.getItem("mcphub.look") ?? "{}");
  } catch {}
  const dark =
    stored.theme === "dark" ||
    (stored.theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document.documentElement.dataset.density = stored.density === "compact" ? "compact" : "comfortable";
}
