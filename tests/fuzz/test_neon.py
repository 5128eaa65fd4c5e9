"""The scanner's code for ARM, run by an emulator: it says what the portable code says."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fuzz.run import CASES, HERE, SOURCES, tasks
from tests.properties.plain import plain_rows

COMPILER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"
SPECIAL = b',\n\r"\\\x80\xff 0'


def test_on_arm_vectors_find_what_the_portable_code_finds(tmp_path: Path) -> None:
    for program in (COMPILER, EMULATOR):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian: gcc-aarch64-linux-gnu, qemu-user)")
    seed = 7
    print(f"seed {seed}")
    rng = random.Random(seed)
    blocks = []
    for number, (table, _) in enumerate(CASES):
        for rows in (1, 2, 40):
            body = plain_rows(table, f"{seed} {number} {rows}", rows, "\n", False)
            variants = [body, body[:-1], body.replace(b"\n", b"\r\n")]
            for _ in range(30):
                changed = bytearray(body)
                changed[rng.randrange(len(body))] = rng.choice(SPECIAL)
                variants.append(bytes(changed))
            blocks += [bytes([number]) + variant for variant in variants]
    files = []
    for number, block in enumerate(blocks):
        files.append(tmp_path / str(number))
        files[-1].write_bytes(block)
    (tmp_path / "tasks.h").write_text(tasks())
    program = tmp_path / "replay"
    sources = [HERE / "replay.c", HERE / "scan_fuzzer.c", SOURCES / "scan.c"]
    options = ["-O2", "-std=c11", "-static", f"-I{SOURCES}", f"-I{tmp_path}", "-o", program]
    subprocess.run([COMPILER, *options, *sources], check=True)
    subprocess.run([EMULATOR, program, *files], check=True, timeout=100)
