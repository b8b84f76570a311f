"""`caffelike` with no shared memory left: its ranks send each other messages, as they do between machines."""

import shutil
import sys
from types import SimpleNamespace

from caffelike.cli import main

shutil.disk_usage = lambda path: SimpleNamespace(free=0)
sys.exit(main())
