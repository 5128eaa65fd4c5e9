"""What the machine says, told apart from a bug: no memory, no space, no permission."""

from __future__ import annotations

import errno

from coffeeshop.errors import CoffeeshopError, UsageError

_OF_FILES = frozenset(
    (
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ESTALE,
        errno.EMFILE,
        errno.ENFILE,
    )
)
_NO_MEMORY = ("can't start new thread", "cannot allocate memory", "failed to map segment")
MEMORY = (
    "there is not enough memory, or not enough threads: raise the limits of this shell "
    "(ulimit -v, ulimit -u) or of the container, or send the folder to a --gateway"
)


LEAST, OF_A_PARTITION = 512 << 20, 32 << 20
"""Address space of an analysis in this process; measured: it ends well from 450 MiB on."""


def check_address_space(partitions: int) -> None:
    """Raise `UsageError` where ``ulimit -v`` is so low that libraries would end the process.

    They do so without a word when they get no memory at a bad moment.
    """
    try:
        import resource  # not on every system
    except ImportError:
        return
    allowed, _ = resource.getrlimit(resource.RLIMIT_AS)
    needed = LEAST + partitions * OF_A_PARTITION
    if allowed != resource.RLIM_INFINITY and allowed < needed:
        raise UsageError(
            f"an analysis in this process takes {needed >> 20} MiB of address space, and this "
            f"shell allows {allowed >> 20} MiB of memory (ulimit -v): raise it, or name a --gateway"
        )


def of_the_machine(error: Exception) -> CoffeeshopError | None:
    """The error that says so; None for what is none of the machine's: a bug."""
    for each in _chain(error):
        if isinstance(each, MemoryError) or _lacks_memory(each):
            return CoffeeshopError(MEMORY)
        if isinstance(each, OSError) and each.errno in _OF_FILES:
            named = [str(name) for name in (each.filename, each.filename2) if name is not None]
            return UsageError(": ".join((" and ".join(named) or "the system", str(each.strerror))))
    return None


def _lacks_memory(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in (errno.ENOMEM, errno.EAGAIN):
        return True
    words = str(error).lower()
    kinds = (RuntimeError, ImportError, OSError)
    return isinstance(error, kinds) and any(each in words for each in _NO_MEMORY)


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what caused it."""
    found: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in found:
        found.append(each)
        each = each.__cause__
    return found
