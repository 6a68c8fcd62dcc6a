#!/bin/bash
# This hub as a peer of a gateway bench that starts gateways by five verbs: install, start, setup, info, users.
# The bench sets PORT, UP_URL (an MCP server over HTTP) and STATE (a folder kept between two starts).
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
: "${PORT:=9900}" "${UP_URL:=http://127.0.0.1:9901/mcp}" "${STATE:=${TMPDIR:-/tmp}/mcphub-bench}"
export MCPHUB_ADMIN_PASSWORD=${MCPHUB_ADMIN_PASSWORD:-bench-Password-1}
mkdir -p "$STATE"
url=http://127.0.0.1:$PORT
case $1 in
  install) "$here/hub" doctor >/dev/null ;;
  start) exec "$here/hub" up --home "$STATE/home" --port "$PORT" --no-demo --no-open ;;
  setup) "$here/.venv/bin/python" "$here/bench/_setup.py" "$url" "$UP_URL" 50 >"$STATE/keys" ;;
  info)
    key=$(sed -n 1p "$STATE/keys" 2>/dev/null || true)
    version=$(git -C "$here" rev-parse --short HEAD 2>/dev/null || echo dev)
    printf '{"name":"mcphub","version":"%s","url":"%s/mcp","headers":{"Authorization":"Bearer %s"},' "$version" "$url" "$key"
    printf '"upstream":"http","auth":"hub key","per_user":"yes, injected by the hub"}\n' ;;
  users)
    head -n "$2" "$STATE/keys" | awk '{printf "{\"user\":\"u%d\",\"headers\":{\"Authorization\":\"Bearer %s\"},\"secret\":\"secret-of-user-%d-end\"}\n", NR, $1, NR}' ;;
esac
