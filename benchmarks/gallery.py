"""``coffeeshop submit --question`` beside DuckDB, which runs the same SQL over the same CSV files.

Wall and processor time of whole processes, from the start of the interpreter on. Each run of one
has a run of the other beside it, first or second in turn, and a ratio is the median of what these
pairs gave. Every answer of every run is compared value by value; different ones fail the benchmark.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from statistics import median

import document
from processes import SUBMIT, Measured, data_set, measure, measure_ours, read_once

from coffeeshop.questions.gallery import ready_names

RIVAL = Path(__file__).with_name("rivals") / "duckdb_question.py"
TARGET = 1.0
"""What submit's wall time may be over DuckDB's."""
CENT = Decimal("0.01")
"""By what averages may differ: DuckDB's are floats, and rounded as such."""
PAYMENT_METHODS = "method_id,method_name,category\n" + "".join(
    f"{number},{name},{name.lower()}\n"
    for number, name in enumerate(("Cash", "Card", "Wallet", "Transfer", "Points"), start=1)
)
"""The generated data sets have no such table."""


def with_all_tables(folder: Path, into: Path) -> Path:
    """A folder with links to the tables of another, and with those that it lacks."""
    into.mkdir()
    for table in folder.iterdir():
        (into / table.name).symlink_to(table.resolve())
    if not list(folder.glob("payment_methods*")):
        (into / "payment_methods.csv").write_text(PAYMENT_METHODS)
    if not list(folder.glob("vouchers*")):
        (into / "vouchers.csv").write_text("voucher_id,voucher_code,discount_type,discount_value\n")
    return into


def ours(folder: Path, out: Path, names: list[str]) -> list[str]:
    """`coffeeshop submit` in one process."""
    asked = [word for name in names for word in ("--question", name)]
    return [*SUBMIT, "--data-folder", str(folder), "--output-dir", str(out), *asked]


def theirs(folder: Path, out: Path, names: list[str]) -> list[str]:
    """DuckDB."""
    return [sys.executable, str(RIVAL), str(folder), str(out), *names]


def differences(mine: Path, other: Path, names: list[str]) -> Iterator[str]:
    """A sentence for each answer that differs."""
    for name in names:
        left, right = (_rows(folder / f"{name}.csv") for folder in (mine, other))
        if len(left) != len(right) or left[0] != right[0]:
            yield f"{name}: {len(left)} rows of {left[0]}, not {len(right)} of {right[0]}"
            continue
        for row, wanted in zip(left, right, strict=True):
            if not all(map(_same, left[0], row, wanted)):
                yield f"{name}: {row}, not {wanted}"
                break


def _rows(file: Path) -> list[list[str]]:
    with file.open(newline="", encoding="utf-8") as opened:
        return list(csv.reader(opened))


def _same(column: str, mine: str, other: str) -> bool:
    if mine == other or mine == other.removesuffix(" 00:00:00"):
        return True
    try:
        apart = abs(Decimal(mine) - Decimal(other))
    except InvalidOperation:
        return False
    return apart == 0 or (column.startswith("average") and apart <= CENT)


def measured(folder: Path, out: Path, names: list[str], *, first: bool) -> tuple[Measured, ...]:
    """A run of both: ``first`` submit, or first DuckDB. Exits where answers differ."""
    runs = [
        lambda: measure_ours(ours(folder, out / "submit", names)),
        lambda: measure(theirs(folder, out / "duckdb", names)),
    ]
    if first:
        found = runs[0](), runs[1]()
    else:
        other = runs[1]()
        found = runs[0](), other
    if wrong := list(differences(out / "submit", out / "duckdb", names)):
        sys.exit(f"DIFFERENT: {'; '.join(wrong)}")
    return found


def line(name: str, pairs: list[tuple[Measured, ...]]) -> str:
    """The row of one question."""
    mine, other = zip(*pairs, strict=True)
    wall = median(a.seconds / b.seconds for a, b in pairs)
    cpu = median(a.processor_seconds / b.processor_seconds for a, b in pairs)
    cells = [
        *(median(run.seconds for run in runs) for runs in (mine, other)),
        *(median(run.processor_seconds for run in runs) for runs in (mine, other)),
    ]
    verdict = "met" if wall <= TARGET else "missed"
    return f"{name:<34}" + "".join(f"{c:>9.2f}" for c in (*cells, wall, cpu)) + f"  {verdict}"


def main() -> int:
    """Measure, compare, print."""
    chosen = _options()
    folder = chosen.data or data_set(Path(".data"), chosen.transactions)
    asked = [[name] for name in chosen.questions]
    if len(asked) > 1:
        asked.append(list(chosen.questions))
    found: list[list[tuple[Measured, ...]]] = [[] for _ in asked]
    with tempfile.TemporaryDirectory(prefix="coffeeshop-bench-") as directory:
        whole = with_all_tables(folder, Path(directory, "data"))
        read_once(folder)
        measured(whole, Path(directory, "unmeasured"), asked[0], first=True)
        for number in range(chosen.rounds):
            for place, names in enumerate(asked):
                pair = measured(whole, Path(directory, "out"), names, first=number % 2 == 0)
                found[place].append(pair)
            print(f"round {number + 1}", file=sys.stderr)
    heads = ["wall s", "DuckDB", "CPU s", "DuckDB", "wall", "CPU"]
    lines = [f"{'':<34}" + "".join(f"{head:>9}" for head in heads) + f"  wall <= {TARGET:g}"]
    for names, pairs in zip(asked, found, strict=True):
        lines.append(line(names[0] if len(names) == 1 else "all in one session", pairs))
    lines.append(f"equal answers in each of {chosen.rounds} runs; ratios are medians of pairs")
    print("\n".join(lines))
    document.write(chosen.write, "gallery", lines, ["pyarrow", "duckdb"])
    return 0


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--transactions", type=int, default=2_000_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--data", type=Path, help="a data folder; else one is generated")
    options.add_argument(
        "--questions",
        nargs="+",
        choices=ready_names(),
        default=list(ready_names()),
        metavar="NAME",
        help="of the gallery; default: all, and all in one session",
    )
    document.add_option(options)
    return options.parse_args()


if __name__ == "__main__":
    sys.exit(main())
