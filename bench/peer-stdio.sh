#!/bin/bash
# This hub as a peer, in front of a server over stdio: a process of each user. TOOLS and BENCH come from the bench.
exec env UPSTREAM=stdio "$(dirname "${BASH_SOURCE[0]}")/peer.sh" "$@"
