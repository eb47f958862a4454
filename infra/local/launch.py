"""Becomes the process that the file named on the command line describes.

supervisord's own format has no way to write every value; JSON has. The process keeps the id that supervisord knows,
and writes into its log itself.
"""

import json
import os
import sys
from pathlib import Path

if __name__ == "__main__":
    described = json.loads(Path(sys.argv[1]).read_text())
    log = os.open(described["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    command = described["command"]
    os.execvpe(command[0], command, os.environ | described["environment"])  # noqa: S606 (no shell)
