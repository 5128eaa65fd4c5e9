"""Simulated nodes and tasks: `TaskCore` in the place of a task actor, and what supervises it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coffeeshop.errors import CoffeeshopError
from coffeeshop.pipeline.messages import Assignment, TaskId, out_journal
from coffeeshop.pipeline.repair import done
from coffeeshop.pipeline.task import Output, TaskCore
from coffeeshop.transport import Outcome
from tests.properties.sim_plot import Violation
from tests.properties.sim_repair import Look, repair_of

if TYPE_CHECKING:
    from tests.properties.simulation import World


class Attempt:
    """A task actor: one reading of the journal from 0."""

    def __init__(self, node: Node, assignment: Assignment, old: Attempt | None) -> None:
        self.node = node
        self.world = node.world
        self.task = assignment.task
        self.alive = True
        self.world.attempts += 1
        self.core = TaskCore(assignment.spec, self.task)
        self.known: set[int] = set()
        self.pending: dict[int, Output] = {}
        self.sent = 0
        if old is not None and self.world.rules.replay == "from 0, old state":
            self.core = old.core
        if old is not None and self.world.rules.replay == "from where it was":
            self.known = old.known
        if not self.world.rules.only_gateways_declare:
            self.world.broker.declare(self.task.journal)
        self.look_for_gaps = Look(self) if self.world.plot.repairs else None
        self.said_done = False
        self.journal = self.world.broker.journals.get(self.task.journal, [])
        self.world.broker.read(self.task.journal, self)

    def stored(self, offset: int) -> None:
        if offset not in self.known:
            self.world.broker.soon(lambda: self.look(offset))

    def gone(self) -> None:
        if self.alive:
            self.node.settled(self)

    def look(self, offset: int) -> None:
        """Take a record, in whatever order; die now and then."""
        there = self.world.broker.journals.get(self.task.journal) is self.journal
        if not self.alive or not there or self.node.dies(self):
            return
        self.known.add(offset)
        try:
            outputs = self.core.feed(self.journal[offset])
            if self.look_for_gaps is not None:
                outputs.extend(self.look_for_gaps.requests(offset, self.journal[offset]))
        except CoffeeshopError as error:
            raise Violation(f"refused: {self.task.producer}: {error}") from error
        for output in outputs:
            if self.node.dies(self):
                return
            self.give(output)
        self.go_on()

    def give(self, output: Output) -> None:
        self.sent += 1
        self.pending[self.sent] = output
        self.send(self.sent)

    def send(self, number: int) -> None:
        if not self.alive:
            return
        output = self.pending[number]
        if not self.world.rules.wait_for_confirms:
            del self.pending[number]
        self.world.append(output.journal, output.record, lambda how: self.ended(number, how))

    def ended(self, number: int, outcome: Outcome) -> None:
        if not self.alive or number not in self.pending or self.node.dies(self):
            return
        if outcome is Outcome.CONFIRMED:
            del self.pending[number]
            self.go_on()
        elif outcome is Outcome.RETURNED:
            self.node.settled(self)
        else:
            self.world.clock.call_later(0.2, lambda: self.send(number))

    def go_on(self) -> None:
        if self.core.finished and not self.pending and self.look_for_gaps and not self.said_done:
            self.said_done = True
            self.give(Output(out_journal(self.task.session), done(self.task)))
        elif self.core.finished and not self.pending:
            if not self.world.rules.only_clean_up_deletes:
                self.world.broker.delete(self.task.journal)
            self.node.settled(self)

    def die(self) -> None:
        self.alive = False
        self.world.broker.unread(self.task.journal, self)


class Node:
    """A node with its one session: takes assignments, restarts tasks, acks at the end."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.up = True
        self.life = 0
        self.forget()
        world.broker.consumers.append(self)

    def forget(self) -> None:
        self.attempts: dict[TaskId, Attempt] = {}
        self.tags: dict[TaskId, list[int]] = {}
        self.tombstones: dict[TaskId, int] = {}
        self.repairs: dict[TaskId, int] = {}
        self.done: set[TaskId] = set()
        self.failures = 0
        self.failing = False

    def handed(self, tag: int, assignment: Assignment) -> None:
        task = assignment.task
        if repair_of(assignment) <= self.tombstones.get(task, -1):
            self.world.broker.ack(tag)
            return
        self.tags.setdefault(task, []).append(tag)
        self.repairs[task] = max(self.repairs.get(task, 0), repair_of(assignment))
        if not self.world.rules.ack_after_outputs:
            self.world.broker.ack(tag)
        if task not in self.attempts and not self.failing:
            self.world.revived += task in self.done and not repair_of(assignment)
            self.attempts[task] = Attempt(self, assignment, None)

    def dies(self, attempt: Attempt) -> bool:
        """Whether the task, or the whole node, dies at this step."""
        if not self.world.broker.strikes(self.world.plot.weather.crashes):
            return False
        if self.world.chance.random() < 0.2:
            self.crash()
        else:
            self.restart(attempt)
        return True

    def restart(self, attempt: Attempt) -> None:
        attempt.die()
        self.failures += 1
        intensity = self.world.plot.intensity
        if intensity is not None and self.failures > intensity:
            self.fail()
            return
        life = self.life

        def again() -> None:
            if life == self.life and self.attempts.get(attempt.task) is attempt:
                assignment = Assignment(self.world.spec, attempt.task)
                self.attempts[attempt.task] = Attempt(self, assignment, attempt)

        self.world.broker.soon(again, 2.0)

    def fail(self) -> None:
        """Give the session up: end its tasks, say so until it is confirmed, then ack."""
        if self.failing:
            return
        self.failing, life = True, self.life
        for attempt in self.attempts.values():
            attempt.die()

        def confirmed() -> None:
            if life == self.life:
                self.failing = False
                for task in list(self.tags):
                    self.ack(task)

        self.world.say_failed("failed too often", confirmed)

    def settled(self, attempt: Attempt) -> None:
        attempt.die()
        self.ack(attempt.task)

    def ack(self, task: TaskId) -> None:
        self.attempts.pop(task, None)
        self.done.add(task)
        if self.world.rules.tombstones:
            self.tombstones[task] = self.repairs.get(task, 0)
        for tag in self.tags.pop(task, []):
            self.world.broker.ack(tag)

    def crash(self) -> None:
        """The process dies with all it knew, and comes back."""
        self.life += 1
        self.up = False
        for attempt in self.attempts.values():
            attempt.die()
        self.forget()
        self.world.broker.cut(self)

        def back() -> None:
            self.up = True
            self.world.broker.dispatch()

        self.world.broker.soon(back, 3.0)
