"""Who is compared: what to run for each, and whether it can be run here."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from processes import SUBMIT

RIVALS_FOLDER = Path(__file__).with_name("rivals")


@dataclass(frozen=True)
class Rival:
    """An engine, used as its users would."""

    script: str
    packages: tuple[str, ...]
    """What must be installed; their versions are told with the figures."""
    programs: tuple[str, ...] = ()
    slow: bool = False
    """Runs a few times only: takes ten times as long as others."""

    def missing(self) -> str:
        """Why it cannot be run here, or nothing."""
        packages = [name for name in self.packages if not _installed(name)]
        programs = [name for name in self.programs if shutil.which(name) is None]
        return f"not installed: {', '.join(packages + programs)}" if packages + programs else ""


def _installed(package: str) -> bool:
    # Not by `find_spec`: a module beside this one is called `distributed`, like a package.
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


RIVALS = {
    "duckdb": Rival("duckdb_rival.py", ("duckdb",)),
    "duckdb-scan": Rival("duckdb_scan_rival.py", ("duckdb",)),
    "polars": Rival("polars_rival.py", ("polars",)),
    "pandas": Rival("pandas_rival.py", ("pandas", "pyarrow")),
    "pyspark": Rival("pyspark_rival.py", ("pyspark",), ("java",), slow=True),
    "dask": Rival("dask_rival.py", ("dask", "distributed", "pandas"), slow=True),
    "ray": Rival("ray_rival.py", ("ray", "pandas"), slow=True),
}


def submit(folder: Path, out: Path) -> list[str]:
    """`coffeeshop submit` in one process."""
    return [*SUBMIT, "--data-folder", str(folder), "--output-dir", str(out)]


def command(rival: str, folder: Path, out: Path) -> list[str]:
    """What to run; it writes its five answers into ``out``."""
    return [sys.executable, str(RIVALS_FOLDER / RIVALS[rival].script), str(folder), str(out)]


def packages(rivals: list[str]) -> list[str]:
    """Whose versions belong to figures of these rivals."""
    found = ["pyarrow", *(name for rival in rivals for name in RIVALS[rival].packages)]
    return list(dict.fromkeys(found))
