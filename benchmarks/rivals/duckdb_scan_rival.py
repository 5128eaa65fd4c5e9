"""As ``duckdb_rival.py``, but nothing is loaded: each of the four queries scans the files."""

from __future__ import annotations

import sys
from pathlib import Path

from duckdb_rival import main

if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), kept_as="VIEW")
