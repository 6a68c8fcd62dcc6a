"""The same tools over stdio, one request after the other; the secret is the variable SERVICE_TOKEN of the process."""

import json
import os
import sys
import time

from _tools import Tools

tools, secret = Tools(), os.environ.get("SERVICE_TOKEN", "")
for line in sys.stdin.buffer:
    request = json.loads(line)
    time.sleep(tools.pause(request))
    for frame in tools.frames(request, secret):
        sys.stdout.buffer.write(json.dumps(frame).encode() + b"\n")
    sys.stdout.buffer.flush()
