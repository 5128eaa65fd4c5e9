"""Simulated gateways with the real keepers' decisions: the session's life under faults.

Of the product here: the fold of the log (`Directory`), its clock (`LogClock`), the table of
transitions, the keeper's own state and the steps of every action. Simulated: the broker, the
processes, their clocks, the clients, and tasks that end a session at some moment.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from coffeeshop.errors import CoffeeshopError, JournalBroken, JournalGone
from coffeeshop.pipeline.messages import SessionSpec, out_journal
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.schema import TABLES
from coffeeshop.sessions import lifecycle, steps
from coffeeshop.sessions.events import End, SessionEvent
from coffeeshop.sessions.lifecycle import (
    LONGEST_OPENING,
    Action,
    KeeperState,
    Known,
    LogClock,
    Now,
    Phase,
    Timeouts,
    View,
    decide,
)
from coffeeshop.sessions.log import Directory
from coffeeshop.sessions.steps import (
    Append,
    CrashPoint,
    DeclareJournal,
    DeleteJournal,
    Step,
    Write,
)
from coffeeshop.testing.clock import VirtualClock
from tests.properties.sim_plot import Violation

TIMEOUTS = Timeouts(client_timeout=12.0, result_ttl=15.0, session_ttl=300.0)
TICK = 1.0
LONG_TICK = 20.0
"""Seconds between two looks of a process that waits for nothing but the second deletion."""
REQUEST_TIMEOUT = 3.0
"""Seconds in which a gateway must hear of what it wrote; then its client asks another one."""
MOST_CALLS = 40_000
REFUSED = End("failed", "the session could not be opened", refused="SessionFailed")
CLIENTS = ("completes", "announces", "leaves", "cancels", "deletes", "dies")


@dataclass(frozen=True)
class Rules:
    """The safeguards of a session's life; as they are in the product."""

    assign_first: bool = True
    """A session's keeper is assigned before the session is announced."""
    ack_when_over: bool = True
    announce_first: bool = True
    """A keeper declares nothing of a session of which the log does not tell."""
    log_clock: bool = True
    """Silence is measured in the log, not on a clock of the process."""
    late_signs: bool = True
    """What was kept back of a client's signs of life is told later."""
    sweep: bool = True
    """Deleted sessions that may have been created since are deleted once more."""


@dataclass(frozen=True)
class Plot:
    """What happens besides chance."""

    faults: float = 0.1
    """The share of steps at which something happens to a process."""
    until: float = 30.0
    gateways: int = 2
    client: str = "completes"
    """``completes``, ``announces`` more than it sends, ``leaves``, ``cancels``, ``deletes``, or
    ``dies`` while it opens."""
    rare: bool = False
    """Two signs of life, then none for nearly as long as a client may be silent."""
    rules: Rules = Rules()


@dataclass
class Kept:
    """A keeper in its process."""

    state: KeeperState
    busy: bool = False
    tags: list[int] = field(default_factory=list)


class Gateway:
    """One process. What it knows dies with it."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.lives = count()
        self.frozen_until = 0.0
        self.cut_until = 0.0
        self.start()

    def start(self) -> None:
        self.life = next(self.lives)
        self.name = f"g{self.number}.{self.life}"
        self.up = True
        self.directory = Directory()
        self.read = 0
        self.clock = LogClock(2.0, self.world.now)
        self.kept: dict[str, Kept] = {}
        self.taken = 0
        self.told_at, self.is_news = float("-inf"), False
        self.world.deliver(self)
        self.later(TICK, self.tick)
        self.world.dispatch()

    @property
    def reachable(self) -> bool:
        return self.up and self.world.now >= max(self.frozen_until, self.cut_until)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """In this life, and when the process is not frozen."""
        life = self.life

        def due() -> None:
            if not self.up or self.life != life:
                return
            if self.world.now < self.frozen_until:
                self.later(self.frozen_until - self.world.now + 0.01, call)
            else:
                call()

        self.world.clock.call_later(seconds, due)

    def crash(self) -> None:
        self.up = False
        self.world.cut(self)
        self.world.clock.call_later(self.world.chance.random() * 5.0, self.start)

    # The log.

    def deliver(self, event: SessionEvent) -> None:
        now = self.world.now
        if event.gateway == self.name:
            self.clock = self.clock.pong(now)
        elif not self.directory.is_open:
            self.clock = self.clock.resumed(now)
        self.directory.apply(event, self.log_time, now, 0)
        self.attend()

    @property
    def log_time(self) -> float:
        return self.clock.seconds if self.world.rules.log_clock else self.world.now

    def write(self, kind: Any, **fields: Any) -> None:
        session = "" if kind == "alive" and not fields["bytes"] else self.world.spec.id
        self.world.append_event(
            self, SessionEvent(kind, session, self.name, self.world.now, fields)
        )

    def seen(self) -> None:
        """A client sent something."""
        self.taken += 1
        self.is_news = True
        self.tell_activity()

    def tell_activity(self) -> None:
        if self.world.now - self.told_at > TIMEOUTS.client_timeout / 4:
            self.told_at, self.is_news = self.world.now, False
            self.write("alive", bytes=self.taken)

    def tick(self) -> None:
        if self.directory.is_open and self.clock.ping_due(self.world.now):
            self.clock = self.clock.pinged()
            self.write("alive", bytes=0)
        if self.is_news and self.world.rules.late_signs:
            self.tell_activity()
        self.attend()
        self.look_after_released()
        if not self.world.is_over():
            is_busy = self.directory.sessions or self.kept or self.world.now < self.world.plot.until
            self.later(TICK if is_busy else LONG_TICK, self.tick)

    # Keepers.

    def assigned(self, tag: int) -> None:
        kept = self.kept.setdefault(self.world.spec.id, Kept(KeeperState(self.world.now)))
        kept.tags.append(tag)
        if not self.world.rules.ack_when_over:
            self.world.ack(tag)
        self.attend()

    def attend(self) -> None:
        name = self.world.spec.id
        kept = self.kept.get(name)
        if kept is None or kept.busy:
            return
        session = self.directory.sessions.get(name) or self.directory.last.get(name)
        if session is None and not self.world.rules.announce_first:
            session = lifecycle.Session(self.world.spec, "?", self.world.now)
        end = self.world.end_read() if kept.state.watching else None
        known = Known(session, name in self.directory.expired, end)
        decision = decide(known, kept.state, self.moment(), TIMEOUTS)
        kept.state = decision.keeper
        if decision.over:
            del self.kept[name]
            for tag in kept.tags:
                self.world.ack(tag)
        elif decision.view is not None and decision.transition is not None:
            kept.state = kept.state.before(decision.transition.action)
            self.act(kept, decision.view, decision.transition.action)

    def moment(self) -> Now:
        return Now(self.world.now, self.log_time, self.world.now)

    def act(self, kept: Kept, view: View, action: Action) -> None:
        """Take the steps one after the other; each may be the last of this process."""
        left = [
            step
            for step in steps.steps_of(action, view, self.name)
            if not isinstance(step, CrashPoint)
        ]
        kept.busy = True

        def failed(error: CoffeeshopError) -> None:
            kept.busy = False
            if lifecycle.is_refusal(action, error):
                self.world.seen["refused"] += 1
                kept.state = replace(kept.state, failure=REFUSED).after(action, self.world.now)
            elif lifecycle.has_no_end_to_write(action, error):
                kept.state = replace(kept.state, end=view.overdue).after(action, self.world.now)
            else:
                self.later(1.0, self.attend)
                return
            self.attend()

        def go_on() -> None:
            if self.world.strikes(self):
                return
            if not left:
                kept.state = kept.state.after(action, self.world.now)
                kept.busy = False
                self.attend()
                return
            self.world.perform(
                self, left.pop(0), lambda: self.later(self.world.soon(), go_on), failed
            )

        go_on()

    def look_after_released(self) -> None:
        """As `ReleasedSessions` does: expiry, and a second deletion of what was created late."""
        for session in list(self.directory.sessions.values()):
            if session.phase is Phase.RELEASED:
                view = View(session, KeeperState(), self.moment(), TIMEOUTS)
                row = lifecycle.next_transition(view)
                if row is not None and row.action is Action.EXPIRE:
                    self.all_of(steps.steps_of(row.action, view, self.name))
        if not self.world.rules.sweep:
            return
        for session, at in list(self.directory.possible_orphans.values()):
            if self.world.now - at > LONGEST_OPENING:
                self.all_of(steps.expiry(session.spec, settled=True))

    def all_of(self, all_steps: tuple[Step, ...]) -> None:
        for step in all_steps:
            if not isinstance(step, CrashPoint):
                self.world.perform(self, step, lambda: None, lambda error: None)


class World:
    """One session from its opening until nothing of it is left."""

    def __init__(self, seed: int, plot: Plot) -> None:
        self.chance = random.Random(seed)
        self.plot = plot
        self.rules = plot.rules
        self.clock = VirtualClock()
        self.spec = SessionSpec("s", "fused", 1, 1)
        self.log: list[SessionEvent] = []
        self.journals: dict[str, list[End]] = {}
        self.broken: set[str] = set()
        """Names without a stream: their journals cannot be made until they are deleted."""
        self.waiting = 0
        self.unacked: dict[int, Gateway] = {}
        self.tags = count()
        self.first_out: End | None = None
        self.seen = Counter[str]()
        self.gateways: list[Gateway] = []
        for number in range(plot.gateways):
            self.gateways.append(Gateway(self, number))

    @property
    def now(self) -> float:
        return self.clock.now()

    def soon(self) -> float:
        return self.chance.random() * 0.3

    def run(self) -> None:
        """Everything, until nothing is left to happen; raises `Violation`."""
        self.clock.call_later(1.0, lambda: Client(self).open())
        try:
            self.clock.run_until_idle(MOST_CALLS)
        except RuntimeError as error:
            raise Violation(f"never idle: {error}") from error
        self.check()

    def is_over(self) -> bool:
        """Whether processes need look around no more; in the end they would see nothing else."""
        if self.now < self.plot.until + 10.0 or self.now > 2 * LONGEST_OPENING:
            return self.now > 2 * LONGEST_OPENING
        return all(
            gateway.up
            and not gateway.directory.sessions
            and not gateway.kept
            and not gateway.directory.possible_orphans
            and gateway.read == len(self.log)
            for gateway in self.gateways
        )

    # The broker.

    def append_event(self, gateway: Gateway, event: SessionEvent) -> None:
        """Sent until it is stored, perhaps twice."""
        if not gateway.up:
            return
        if not gateway.reachable or self.rough(0.1):
            gateway.later(0.2 + self.soon(), lambda: self.append_event(gateway, event))
            return
        for _ in range(2 if self.rough(0.1) else 1):
            self.clock.call_later(self.soon(), lambda: self._store(event))

    def _store(self, event: SessionEvent) -> None:
        self.log.append(event)
        for gateway in self.gateways:
            if gateway.up:
                self.deliver(gateway)

    def deliver(self, gateway: Gateway) -> None:
        """Each process reads all of the log, in order, when it can."""

        def due() -> None:
            if not gateway.reachable:
                gateway.later(0.3, due)
                return
            while gateway.read < len(self.log):
                gateway.read += 1
                gateway.deliver(self.log[gateway.read - 1])

        gateway.later(self.soon(), due)

    def perform(
        self,
        gateway: Gateway,
        step: Step,
        then: Callable[[], None],
        failed: Callable[[CoffeeshopError], None],
    ) -> None:
        if not gateway.reachable:
            gateway.later(0.5, lambda: self.perform(gateway, step, then, failed))
            return
        match step:
            case DeclareJournal(name) if self._is_broken(name):
                failed(JournalBroken(name))
                return
            case DeclareJournal(name):
                self.journals.setdefault(name, [])
            case DeleteJournal(name):
                if name.startswith("in.") and self.end() is None:
                    raise Violation("input deleted before the end")
                self.journals.pop(name, None)
                self.broken.discard(name)
            case Append(journal, _) if journal not in self.journals:
                failed(JournalGone(journal))
                return
            case Append(journal, record) if record.kind == "failed":
                state = record.stream if record.stream in ("cancelled", "aborted") else "failed"
                self._append_end(journal, End(state, record.body.decode()))  # type: ignore[arg-type]
            case Append(_, record) if record.kind == "client_gone":
                self.seen["client gone"] += 1
                self.ends_soon("aborted", "a batch is missing")
            case Write(kind, fields):
                self._write_and_read_back(gateway, kind, dict(fields), then)
                return
        then()

    def _is_broken(self, journal: str) -> bool:
        if journal not in self.journals and self.rough(0.01):
            self.broken.add(journal)
        return journal in self.broken

    def _write_and_read_back(
        self, gateway: Gateway, kind: Any, fields: dict[str, Any], then: Callable[[], None]
    ) -> None:
        event = SessionEvent(kind, self.spec.id, gateway.name, self.now, fields)
        self.append_event(gateway, event)
        life = gateway.life

        def read() -> None:
            if gateway.life != life or not gateway.up:
                return
            if any(each is event for each in self.log[: gateway.read]):
                then()
            else:
                gateway.later(0.1, read)

        read()

    def assign(self) -> None:
        self.waiting += 1
        self.dispatch()

    def dispatch(self) -> None:
        ready = [gateway for gateway in self.gateways if gateway.reachable]
        while self.waiting and ready:
            self.waiting -= 1
            gateway, tag = self.chance.choice(ready), next(self.tags)
            self.unacked[tag] = gateway
            gateway.later(self.soon(), lambda g=gateway, t=tag: g.assigned(t))  # type: ignore[misc]
            if self.rough(0.2):  # two owners
                self.waiting += 1

    def ack(self, tag: int) -> None:
        if self.unacked.pop(tag, None) is not None and self.rough(0.2):
            self.clock.call_later(5.0, self.assign)

    def cut(self, gateway: Gateway) -> None:
        """Its connection died: others get its sessions, though it may live on."""
        lost = [tag for tag, holder in self.unacked.items() if holder is gateway]
        for tag in lost:
            del self.unacked[tag]
        self.waiting += len(lost)
        self.clock.call_later(0.1, self.dispatch)

    def rough(self, share: float) -> bool:
        return self.now < self.plot.until and self.chance.random() < share * bool(self.plot.faults)

    def strikes(self, gateway: Gateway) -> bool:
        """Whether the process dies at this step; it may be frozen or cut off instead."""
        if not self.rough(self.plot.faults):
            return False
        how = self.chance.choice(["crash", "freeze", "cut"])
        self.seen[how] += 1
        if how == "crash":
            gateway.crash()
            return True
        seconds = self.chance.choice([3.0, 2 * TIMEOUTS.client_timeout])
        if how == "freeze":
            gateway.frozen_until = self.now + seconds
        gateway.cut_until = self.now + seconds
        self.cut(gateway)
        self.clock.call_later(seconds + 0.1, self.dispatch)
        return False

    # The session.

    def end_read(self) -> End | None:
        """What the out journal says first; that it is gone, if it is."""
        journal = self.journals.get(out_journal(self.spec.id))
        if journal is None:
            return End("failed", "the broker lost the session's journal")
        return journal[0] if journal else None

    def known(self) -> lifecycle.Session | None:
        """The session as all of the log tells it."""
        directory = Directory()
        for event in self.log:
            directory.apply(event, 0.0, 0.0, 0)
        return directory.sessions.get(self.spec.id) or directory.last.get(self.spec.id)

    def end(self) -> str | None:
        """How the log says that it ended."""
        known = self.known()
        return None if known is None or known.state == "open" else known.state

    def ends_soon(self, state: str, reason: str = "") -> None:
        """The tasks come to their end."""

        def due() -> None:
            if out_journal(self.spec.id) in self.journals:
                self._append_end(out_journal(self.spec.id), End(state, reason))  # type: ignore[arg-type]

        self.clock.call_later(3 * self.soon(), due)

    def _append_end(self, journal: str, end: End) -> None:
        self.journals[journal].append(end)
        self.first_out = self.first_out or end

    def check(self) -> None:
        """The promise: one end, a client that was there is not given up, and nothing is left."""
        left = {
            "journals": list(self.journals),
            "assignments": self.waiting + len(self.unacked),
            "keepers": sum(len(gateway.kept) for gateway in self.gateways),
            "sessions": sum(len(gateway.directory.sessions) for gateway in self.gateways),
        }
        if any(left.values()):
            raise Violation(f"left over: {left}")
        if not any(event.kind == "opened" for event in self.log):
            return
        last = [gateway.directory.last[self.spec.id] for gateway in self.gateways]
        ends = {each.state for each in last}
        if last[0].declared and self.plot.client != "deletes":
            ends.add("nothing" if self.first_out is None else self.first_out.state)  # type: ignore[arg-type]
        if len(ends) != 1 or "open" in ends:
            raise Violation(f"no single end: {ends}")
        end = last[0].state
        if end == "failed" and last[0].refused and not last[0].declared:
            self.seen[end] += 1
            return
        allowed = {
            "completes": {"completed"},
            "announces": {"aborted"},
            "leaves": {"aborted"},
            "dies": {"aborted"},
            "cancels": {"cancelled", "completed"},
            "deletes": {"cancelled", "completed"},
        }[self.plot.client]
        if end not in allowed:
            raise Violation(f"{end} though its client {self.plot.client}")
        # What died with the gateway that took it was never answered: its client was not heard of.
        told = last[0].uploaded
        if self.plot.client == "announces" and told and "missing" not in last[0].reason:
            raise Violation(f"given up late: {last[0].reason}")
        self.seen[end] += 1


class Client:
    """Opens a session at one gateway or the other, is heard of, and does what the plot says."""

    def __init__(self, world: World) -> None:
        self.world = world

    def at(self) -> Gateway | None:
        ready = [gateway for gateway in self.world.gateways if gateway.reachable]
        return self.world.chance.choice(ready) if ready else None

    def again(self, call: Callable[[], None], seconds: float = 0.5) -> None:
        self.world.clock.call_later(seconds, call)

    def open(self) -> None:
        """Repeated until it is declared, as clients do."""
        gateway, world = self.at(), self.world
        if gateway is None:
            self.again(self.open)
            return
        opened = {"spec": world.spec.fields(), "name": "", "owner": ""}
        if world.rules.assign_first:
            world.assign()
            if world.strikes(gateway):
                self.dies_or_again()
                return
            gateway.write("opened", **opened)
        else:
            gateway.write("opened", **opened)
            if world.strikes(gateway):
                self.dies_or_again()
                return
            world.assign()
        if world.plot.client == "dies":
            return
        self.again(self.wait, 1.0)

    def dies_or_again(self) -> None:
        if self.world.plot.client != "dies":
            self.again(self.open)

    def known(self) -> lifecycle.Session | None:
        gateway = self.at()
        if gateway is None:
            return None
        directory, name = gateway.directory, self.world.spec.id
        return directory.sessions.get(name) or directory.last.get(name)

    def wait(self) -> None:
        session = self.known()
        if session is None:
            self.again(self.open)
        elif session.phase is Phase.OPENING:
            if (
                self.world.plot.client in ("cancels", "deletes")
                and self.world.chance.random() < 0.5
            ):
                self.finish()
            else:
                self.again(self.open)
        elif session.state == "open" and self.world.plot.client != "leaves":
            self.feed(7)

    def feed(self, left: int) -> None:
        """Signs of life every quarter of the time that a client has."""
        gateway = self.at()
        if gateway is not None:
            gateway.seen()
        if left:
            period = TIMEOUTS.client_timeout / 4
            if self.world.plot.rare:
                period = 2.5 if left % 2 else 10.2
            self.again(lambda: self.feed(left - (gateway is not None)), period)
        else:
            self.finish()

    def finish(self) -> None:
        gateway, world = self.at(), self.world
        if gateway is None:
            self.again(self.finish)
            return
        session = gateway.directory.sessions.get(world.spec.id)
        if session is None:
            if world.spec.id not in gateway.directory.expired:  # it has just begun to read
                self.again(self.finish)
            return
        match world.plot.client:
            case "completes" | "announces":
                for table in TABLES:
                    gateway.write("table_ended", table=table, producer="0", batches=1)
                self.again(self.uploaded, 1.0)
            case "cancels":
                if world.chance.random() < 0.3:
                    world.ends_soon("completed")
                gateway.all_of(steps.ending(session, "cancelled", "enough", gateway.name))
                self.again(self.finish_again, 3.0)
            case "deletes":
                life, until = gateway.name, world.now + REQUEST_TIMEOUT
                gateway.write("ended", state="cancelled", reason="deleted")
                self.again(lambda: self.delete(gateway, life, until), 0.5)

    def uploaded(self) -> None:
        """Repeat the ends of which the answer did not come; then the tasks come to their end."""
        session = self.world.known()
        if session is None or session.state != "open":
            return
        if not session.uploaded:
            self.finish()
        elif self.world.plot.client == "completes":
            self.world.ends_soon("completed")

    def finish_again(self) -> None:
        """A cancellation was lost, or did not count: the session was declared meanwhile."""
        if self.world.end() is None:
            self.finish()

    def delete(self, gateway: Gateway, life: str, until: float) -> None:
        """Go on with a deletion, or repeat it: its gateway died, or hears nothing of the broker."""
        is_open = self.world.end() is None
        if not gateway.up or gateway.name != life or (is_open and self.world.now > until):
            self.again(self.finish)
        elif is_open:
            self.again(lambda: self.delete(gateway, life, until), 0.5)
        else:
            gateway.all_of(steps.expiry(self.world.spec))


def journals_of(spec: SessionSpec) -> list[str]:
    return [*(task.journal for task in plan_of(spec).tasks(spec)), out_journal(spec.id)]


def with_rules(plot: Plot, **rules: bool) -> Plot:
    """The plot without some of the safeguards."""
    return replace(plot, rules=replace(plot.rules, **rules))
