"""The plain page a hub shows before it has a user interface: the first administrator, an invitation, or what is here.

It loads nothing, and runs only the script whose hash the policy names. A link's token stands in the fragment, so it is
in no request but the one that uses it.
"""

from base64 import b64encode
from hashlib import sha256

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 26rem; margin: 12vh auto; padding: 0 1rem; }
label { display: block; margin-top: 1rem; }
input, button { font: inherit; width: 100%; box-sizing: border-box; padding: .5rem; }
button { margin-top: 1.5rem; }
[role=alert] { min-height: 1.5em; margin-top: 1rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
"""
SCRIPT = """
const korean = navigator.language.startsWith("ko");
const say = (ko, en) => (korean ? ko : en);
const $ = (id) => document.getElementById(id);
document.documentElement.lang = korean ? "ko" : "en";
const token = decodeURIComponent(location.hash.slice(1));
history.replaceState(null, "", location.pathname);
const setup = location.pathname === "/setup", invited = location.pathname === "/invite";
const show = (title, text) => { $("title").textContent = title; $("text").textContent = text; };
if (!token || !(setup || invited)) {
  show("MCPHub", say("허브가 실행 중입니다. 설정 링크는 허브를 시작한 터미널에 있습니다.",
    "The hub is running. The set-up link is in the terminal that started it; `mcphub setup-link` makes a new one."));
} else {
  show(setup ? say("첫 관리자 만들기", "Make the first administrator")
    : say("비밀번호 정하기", "Choose a password"), "");
  $("name-label").hidden = !setup;
  $("name").required = setup;
  $("name-text").textContent = say("이름", "Name");
  $("password-text").textContent = say("비밀번호 (12자 이상)", "Password (12 characters or more)");
  $("again-text").textContent = say("비밀번호 다시 입력", "Password again");
  $("send").textContent = say("저장", "Save");
  $("form").hidden = false;
}
$("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const password = $("password").value;
  if (password !== $("again").value) {
    $("alert").textContent = say("두 비밀번호가 다릅니다.", "The two passwords differ.");
    return;
  }
  $("send").disabled = true;
  const body = setup ? { token, username: $("name").value, password } : { token, password };
  try {
    const answer = await fetch(setup ? "/api/setup" : "/api/auth/accept-invitation",
      { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const got = await answer.json();
    if (!answer.ok) {
      $("alert").textContent = [got.title, got.detail].join(" ");
      $("send").disabled = false;
      return;
    }
  } catch {
    $("alert").textContent = say("허브가 응답하지 않습니다.", "The hub does not answer.");
    $("send").disabled = false;
    return;
  }
  $("form").remove();
  show(say("완료되었습니다", "Done"), say("이제 스크립트로 로그인하고 키를 발급할 수 있습니다:",
    "You can sign in from a script now, and issue a key for your IDE:"));
  $("next").hidden = false;
  $("next").textContent = [
    "POST " + location.origin + "/api/auth/login   {username, password, issueToken: true}",
    "POST " + location.origin + "/api/oauth/keys   Authorization: Bearer <token>",
    "mcp.json: " + location.origin + "/mcp",
  ].join("\\n");
});
"""


def _hashed(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; script-src {_hashed(SCRIPT)}; style-src {_hashed(STYLE)}; connect-src 'self';"
    " form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
PAGE = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>MCPHub</title>
<style>{STYLE}</style>
<h1 id="title">MCPHub</h1>
<p id="text"></p>
<pre id="next" hidden></pre>
<form id="form" hidden>
<label id="name-label"><span id="name-text"></span><input id="name" autocomplete="username" maxlength="64"></label>
<label><span id="password-text"></span>
<input id="password" type="password" autocomplete="new-password" minlength="12" maxlength="1024" required></label>
<label><span id="again-text"></span>
<input id="again" type="password" autocomplete="new-password" required></label>
<button id="send"></button>
<p id="alert" role="alert"></p>
</form>
<script>{SCRIPT}</script>
"""


def prefers_html(accept: str) -> bool:
    """Is this a browser going somewhere? It names text/html, and nothing that it would rather have as JSON."""
    weights: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = [piece.strip() for piece in part.split(";")]
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        weights[kind.lower()] = weight
    html = weights.get("text/html", 0.0)
    return html > 0 and html >= weights.get("application/json", 0.0)
