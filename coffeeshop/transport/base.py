"""The transport contract: journals and queues. The comments are the contract.

Two implementations: `transport.memory` in one process, and a broker's. ``tests/transport`` holds
the suite that every implementation passes unchanged.

Threads: every method may be called from any thread. Callbacks come from threads of the transport,
never from inside the call that registered them. Those of one reader, those of one consumer, and the
outcomes of what one thread appends (or publishes) come one at a time and in order; those of
different ones may come at once. They must neither block nor raise (an actor's callback is a
``tell``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, runtime_checkable

Headers = Mapping[str, str | int]
"""Flat; text and whole numbers only, since a broker's table encodes no floats and no nesting."""


@dataclass(frozen=True)
class Message:
    """What travels: a few flat headers and a body."""

    headers: Headers = field(default_factory=dict)
    body: bytes = b""


class Outcome(Enum):
    """How an append or a publish ended. Exactly one outcome per call, also when the transport
    closes meanwhile; a call after that gets none."""

    CONFIRMED = "confirmed"
    """Stored; survives whatever the implementation promises to survive."""
    RETURNED = "returned"
    """There is no such journal or queue; nothing was stored."""
    NACKED = "nacked"
    """The broker itself refused it, for now; nothing may be assumed. Send the same id again,
    later."""
    UNKNOWN = "unknown"
    """The connection died first, or the broker contradicts itself; may or may not be stored. Send
    the same id again."""
    FORBIDDEN = "forbidden"
    """Refused until an operator gives this user permission; nothing was stored. `refusal` says
    so in words."""
    TOO_LARGE = "too_large"
    """Larger than what the broker takes, now and later; nothing was stored."""


REFUSED = (Outcome.FORBIDDEN, Outcome.TOO_LARGE)
"""Sending it again is of no use."""


def refusal(outcome: Outcome, name: str, message: Message) -> str:
    """What to tell of a message that ended in one of `REFUSED`."""
    if outcome is Outcome.TOO_LARGE:
        return (
            f"the broker refuses a message of {len(message.body):,} bytes for {name}: its "
            "max_message_size is below that; raise it in rabbitmq.conf (a batch has up to 4 MiB)"
        )
    return (
        f"the broker does not let this user write to {name}: it has no permission to write to the "
        "exchange amq.default; rabbitmqctl set_permissions gives it"
    )


@dataclass(frozen=True)
class Delivery:
    """A message of a journal, and its offset."""

    offset: int
    message: Message
    since: int | None = field(default=None, compare=False)
    """The first offset of which the reader knows that nothing else is there: a stream has gaps.
    None: this one's own."""


LARGEST_GAP = 3
"""Offsets that a stream may skip where nothing was dropped: it takes one for each new segment."""


def dropped_before(delivery: Delivery) -> int:
    """How many messages the store dropped before this one; 0 in a journal that is whole.

    For a reading that began at offset 0: the first message of a journal that is whole is there.
    """
    if delivery.since is None:
        return 0
    missing = delivery.offset - delivery.since
    return missing if delivery.since == 0 or missing > LARGEST_GAP else 0


def loss(journal: str, messages: int) -> str:
    """What to tell of a journal that lost messages."""
    return (
        f"the broker dropped {messages:,} records of {journal} before they were read: a policy "
        "with max-age or max-length-bytes applies to it; clear it (rabbitmqctl list_policies, "
        "clear_policy) and submit again"
    )


@dataclass(frozen=True)
class QueueDelivery:
    """A message of a queue, and the tag that settles it with the consumer that was handed it."""

    tag: int
    message: Message


OnOutcome = Callable[[Outcome], None]
OnDelivery = Callable[[Delivery], None]
OnQueueDelivery = Callable[[QueueDelivery], None]
OnGone = Callable[[], None]


class Reader(Protocol):
    """One reading of a journal."""

    def credit(self, deliveries: int) -> None:
        """Allow that many deliveries more. At most the credit given so far is ever delivered."""
        ...

    def close(self) -> None:
        """Stop. Deliveries already under way may still arrive. Closing twice is harmless."""
        ...


class Consumer(Protocol):
    """One consumer of a queue. Messages it does not settle before it closes go to others."""

    def ack(self, tag: int) -> None:
        """Done with this message: it is gone. A stale or unknown tag is ignored."""
        ...

    def requeue(self, tag: int) -> None:
        """Hand this message to another consumer (or again to this one)."""
        ...

    def stop_taking(self) -> None:
        """Ask for no more messages; those handed over can still be settled. One may still come."""
        ...

    def close(self) -> None:
        """Stop; unsettled messages return to the queue. Closing twice is harmless."""
        ...


class Transport(Protocol):
    """Journals are append-only and replayable from 0; a queue hands a message to one consumer."""

    def declare_journal(self, name: str, max_bytes: int | None = None) -> None:
        """Make the journal unless it exists. When this returns, appends are stored.

        Beyond ``max_bytes`` the oldest messages may be dropped, and a reading goes on with the
        oldest there is: for control journals, which no proof rests on. Say the same each time.
        Raises `JournalBroken` when the broker holds the name without a journal: take another."""
        ...

    def delete_journal(self, name: str) -> None:
        """Delete the journal if it exists; its readers are told it is gone. Raises `JournalBroken`
        when the broker cannot: what it held is gone then, and the name is left."""
        ...

    def append(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        """Store the message at the end. Appends of one caller keep their order unless one of them
        ends other than CONFIRMED."""
        ...

    def read(
        self, name: str, offset: int, credit: int, on_delivery: OnDelivery, on_gone: OnGone
    ) -> Reader:
        """Deliver from ``offset`` on, in order, every message once per reading, and wait for more
        at the end. ``on_gone`` is called once, and last, when the journal is missing or gets
        deleted. A reading survives a lost connection: it goes on where it was."""
        ...

    def exists(self, name: str) -> bool:
        """Whether there is a journal or queue of that name."""
        ...

    def declare_queue(self, name: str) -> None:
        """Make the queue unless it exists."""
        ...

    def delete_queue(self, name: str) -> None:
        """Delete the queue and what waits in it, if it exists."""
        ...

    def publish(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        """Put the message into the queue."""
        ...

    def consume(
        self, name: str, prefetch: int, on_delivery: OnQueueDelivery, on_gone: OnGone
    ) -> Consumer:
        """Hand messages over, at most ``prefetch`` of them unsettled. At least once: a message may
        come again, to anyone, whether or not it was acked shortly before a crash. ``on_gone`` is
        called once when the queue is missing or gets deleted."""
        ...

    def close(self) -> None:
        """Close everything. Open appends end in an outcome; no callback comes after this returns
        (unless it is called from a callback). Closing twice is harmless."""
        ...


@dataclass(frozen=True)
class BrokerNode:
    """One of the hosts that a transport's URL names, as it answers at the moment."""

    host: str
    """Name and port."""
    version: str = ""
    """Its release; empty while it does not answer."""
    away: str = ""
    """Why it does not answer; empty when it does."""
    without: tuple[str, ...] = ()
    """Journals of which it has no copy that can be read."""


@runtime_checkable
class HasBrokerNodes(Protocol):
    """A transport over a broker of one or more nodes."""

    def broker_nodes(self, journals: Sequence[str]) -> list[BrokerNode]:
        """Ask each node on its own, also for its copies of these journals. Takes seconds."""
        ...
