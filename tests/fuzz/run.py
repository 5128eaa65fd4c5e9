"""Fuzzes the native scanner and kernels: ``python -m tests.fuzz.run --seconds 120``.

clang's libFuzzer looks for inputs that reach new code, under the address and undefined-behaviour
sanitizers. What it keeps is then read by the scanner and by the columnar parser, which have to
agree. Of a kernel the fuzzer's program knows the answer itself.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from coffeeshop import kernels
from coffeeshop.operators import NOTHING_LATE, Late
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.reading import native, scanner
from coffeeshop.schema import TABLES
from tests.properties.plain import HEADERS, plain_rows, says_the_same

HERE = Path(__file__).parent
SOURCES = Path(native.__file__).parent
COMPILER = "clang"
FLAGS = ["-g", "-O1", "-std=c11", "-fsanitize=fuzzer,address,undefined"]
CASES: list[tuple[str, Late]] = [
    (table, late)
    for table in sorted(HEADERS)
    for late in dict.fromkeys((NOTHING_LATE, PLANS["fused"].late_columns(table)))
]
"""What an input is scanned as, by its first byte."""
_DICTIONARY = [",", "\\x0a", "\\x0d\\x0a", '\\"', "NULL", "\\\\N", ".0", "-", "2024-02-29 23:59:59"]
_LEAST = "INT64_MIN"


def tasks() -> str:
    """The C text of all tasks, made from the schema as the Python side makes them."""
    lines = ["static const struct scan_task TASKS[] = {"]
    for table, late in CASES:
        columns, conditions = scanner._task(TABLES[table], HEADERS[table], late)
        wanted = ", ".join(
            f"{{{field}, {kind}, {int(nullable)}, {int(is_late)}, {_c(least)}, {_c(largest)}}}"
            for field, kind, nullable, is_late, least, largest in columns
        )
        needed = ", ".join("{" + ", ".join(map(_c, each)) + "}" for each in conditions)
        lines.append(
            f"    {{NULL, 0, {len(HEADERS[table])}, {len(columns)}, {{{wanted}}},"
            f" {len(conditions)}, {{{needed}}}, 0}},"
        )
    return "\n".join([*lines, "};", f"#define NUMBER_OF_TASKS {len(CASES)}", ""])


def _c(number: int) -> str:
    return _LEAST if number == -(1 << 63) else f"{number}LL"


def build(work: Path) -> Path:
    """The scanner's fuzzer."""
    (work / "tasks.h").write_text(tasks())
    return _built(work, "scan_fuzzer", SOURCES / "scan.c")


def _built(work: Path, name: str, source: Path) -> Path:
    program = work / name
    sources = [str(HERE / f"{name}.c"), str(source)]
    command = [COMPILER, *FLAGS, f"-I{source.parent}", f"-I{work}", *sources, "-o", str(program)]
    subprocess.run(command, check=True)
    return program


def fuzz_kernels(seconds: int, seed: int) -> int:
    """Run the fuzzer of the kernels for that long; how many inputs it kept.

    Raises `subprocess.CalledProcessError` for what the sanitizers found, or a wrong answer.
    """
    with tempfile.TemporaryDirectory(prefix="coffeeshop-fuzz-") as directory:
        work = Path(directory)
        corpus = work / "corpus"
        corpus.mkdir()
        for kind in range(9):
            (corpus / str(kind)).write_bytes(bytes([kind, 5]) + random.Random(kind).randbytes(400))
        options = [f"-max_total_time={seconds}", f"-seed={seed}", "-max_len=20000", "-verbosity=0"]
        program = _built(work, "fold_fuzzer", Path(kernels.__file__).parent / "fold.c")
        options += ["-print_final_stats=1", "-artifact_prefix=./"]
        subprocess.run([str(program), *options, str(corpus)], check=True, cwd=work)
        found = len(list(corpus.iterdir()))
        print(f"{found} inputs of the kernels kept: their answers are right")
        return found


def fuzz(seconds: int, seed: int) -> int:
    """Run it for that long, then compare; how many inputs the columnar parser was asked about.

    Raises `subprocess.CalledProcessError` for what the sanitizers found, with the input in its
    output, and `AssertionError` for an input that the two read differently.
    """
    with tempfile.TemporaryDirectory(prefix="coffeeshop-fuzz-") as directory:
        work = Path(directory)
        corpus = work / "corpus"
        corpus.mkdir()
        for number, (table, _) in enumerate(CASES):
            for newline in ("\n", "\r\n"):
                for quote in (False, True):
                    body = plain_rows(table, f"{seed} {number}", 2, newline, quote)
                    name = f"{number}-{len(newline)}-{int(quote)}"
                    (corpus / name).write_bytes(bytes([number]) + body)
        words = [f'"{word}"' for word in _DICTIONARY]
        (work / "words").write_text("\n".join(words) + "\n")
        options = [f"-max_total_time={seconds}", f"-seed={seed}", "-max_len=4096", "-verbosity=0"]
        options += ["-print_final_stats=1", f"-dict={work / 'words'}", "-artifact_prefix=./"]
        subprocess.run([str(build(work)), *options, str(corpus)], check=True, cwd=work)
        found = sorted(corpus.iterdir())
        taken = 0
        for file in found:
            data = file.read_bytes()
            if data:
                table, late = CASES[data[0] % len(CASES)]
                taken += says_the_same(table, data[1:], late)
        print(f"{len(found)} inputs kept, {taken} taken by the scanner: both read them alike")
        return len(found)


def main() -> int:
    """0 when nothing was found."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=int, default=120)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    if shutil.which(COMPILER) is None:
        sys.exit(f"{COMPILER} is not installed (Debian: apt install clang libclang-rt-14-dev)")
    if native.in_use() is None:
        sys.exit("the native scanner was not built, or is switched off")
    fuzz(chosen.seconds, chosen.seed)
    fuzz_kernels(max(1, chosen.seconds // 4), chosen.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
