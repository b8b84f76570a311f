"""`python -m caffelike` is `caffelike`."""

import sys

from caffelike.cli import main

if __name__ == "__main__":
    sys.exit(main())
