"""Becomes the process that the file named on the command line describes.

supervisord's own format has no way to write every value; JSON has. The process keeps the id that supervisord knows.
"""

import json
import os
import sys
from pathlib import Path

if __name__ == "__main__":
    described = json.loads(Path(sys.argv[1]).read_text())
    command = described["command"]
    os.execvpe(command[0], command, os.environ | described["environment"])  # noqa: S606 (no shell)
