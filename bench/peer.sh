#!/bin/bash
# This hub as a peer of a gateway bench that starts gateways by five verbs: install, start, setup, info, users.
# The bench sets PORT, UP_URL (an MCP server over HTTP) and STATE (a folder kept between two starts). With
# UPSTREAM=stdio the server is BENCH/upstream.py, started by the hub with TOOLS dummies.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
: "${PORT:=9900}" "${UP_URL:=http://127.0.0.1:9901/mcp}" "${STATE:=${TMPDIR:-/tmp}/mcphub-bench}" "${UPSTREAM:=http}"
export MCPHUB_ADMIN_PASSWORD=${MCPHUB_ADMIN_PASSWORD:-bench-Password-1}
mkdir -p "$STATE"
url=http://127.0.0.1:$PORT
upstream=$UP_URL
if [ "$UPSTREAM" = stdio ]; then
  python=$BENCH/venvs/core/bin/python
  export MCPHUB_STDIO_COMMANDS=$python
  upstream="[\"$python\", \"$BENCH/upstream.py\", \"stdio\", \"--tools\", \"${TOOLS:-0}\"]"
fi
case $1 in
  install) "$here/hub" doctor >/dev/null ;;
  start) exec "$here/hub" up --home "$STATE/home" --port "$PORT" --no-demo --no-open ;;
  setup) "$here/.venv/bin/python" "$here/bench/_setup.py" "$url" "$upstream" 50 >"$STATE/keys" ;;
  info)
    key=$(sed -n 1p "$STATE/keys" 2>/dev/null || true)
    version=$(git -C "$here" rev-parse --short HEAD 2>/dev/null || echo dev)
    name=mcphub$([ "$UPSTREAM" = http ] || echo "-$UPSTREAM")
    printf '{"name":"%s","version":"%s","url":"%s/mcp?mode=tools",' "$name" "$version" "$url"
    printf '"headers":{"Authorization":"Bearer %s"},"upstream":"%s","auth":"hub key",' "$key" "$UPSTREAM"
    printf '"per_user":"yes, injected by the hub"}\n' ;;
  users)
    head -n "$2" "$STATE/keys" | awk '{printf "{\"user\":\"u%d\",\"headers\":{\"Authorization\":\"Bearer %s\"},\"secret\":\"secret-of-user-%d-end\"}\n", NR, $1, NR}' ;;
esac
