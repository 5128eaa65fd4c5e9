"""The benchmarks' own code: rivals that answer right, figures that count everything."""

import sys
from pathlib import Path

# Programs, not a package. At the end: one of them has the name of a package that others import.
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
