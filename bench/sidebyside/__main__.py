"""`python -m bench.sidebyside OLD NEW` is `python -m bench sidebyside OLD NEW`."""

import sys

from bench.__main__ import main

sys.argv.insert(1, "sidebyside")
main()
