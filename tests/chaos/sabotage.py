"""``coffeeshop`` with something wrong on purpose: ``python -m tests.chaos.sabotage run-node ...``.

The environment says what: COFFEESHOP_SABOTAGE=kind:stage, and COFFEESHOP_SABOTAGE_SESSION which
session it is for (any if it is not set). Kinds: ``raise``, ``exit``, ``memory``, ``kill``, ``hang``
at the first batch of the stage's partition 0; ``slow``: COFFEESHOP_SABOTAGE_SECONDS before every
record.
"""

from __future__ import annotations

import os
import signal
import threading
import time

from coffeeshop.cli import main
from coffeeshop.pipeline.messages import Record
from coffeeshop.pipeline.task import Output, TaskCore

KIND, STAGE = os.environ["COFFEESHOP_SABOTAGE"].split(":")
SESSION = os.environ.get("COFFEESHOP_SABOTAGE_SESSION")
SLOW = float(os.environ.get("COFFEESHOP_SABOTAGE_SECONDS", "0"))
_feed = TaskCore.feed


def _sabotaged(core: TaskCore, record: Record) -> list[Output]:
    task = core.task
    if task.stage == STAGE and SESSION in (None, task.session):
        if KIND == "slow":
            time.sleep(SLOW)  # the work it stands for takes time, not events
        elif task.partition == 0 and record.kind == "batch" and record.number == 0:
            _misbehave()
    return _feed(core, record)


def _misbehave() -> None:
    match KIND:
        case "raise":
            raise ArithmeticError("on purpose")
        case "exit":
            raise SystemExit(3)
        case "memory":
            raise MemoryError("on purpose")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()


TaskCore.feed = _sabotaged  # type: ignore[method-assign]
if __name__ == "__main__":
    main()
