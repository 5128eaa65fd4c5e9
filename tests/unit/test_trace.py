"""The judge of recorded sessions: it accepts what happened, and refuses what cannot have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from coffeeshop.actors import NodeConfig
from coffeeshop.actors.hosted import HostedNode
from coffeeshop.names import STAGES
from coffeeshop.pipeline.messages import Record, SessionSpec, out_journal
from coffeeshop.pipeline.poison import Claim
from coffeeshop.pipeline.progress import Gap
from coffeeshop.pipeline.repair import Missing
from coffeeshop.testing.recorder import Recorder
from coffeeshop.testing.trace import Trace, refusals, terminal, whole
from tests.running import PATIENCE
from tests.unit.world import World, feed, reaches, spec_of

CONFIG = NodeConfig(claims=True, repair_after=5.0)
FILTERS = {"fused": "filters.0", "staged": "filter_year.0"}


@pytest.fixture(scope="module")
def recorded() -> Iterator[dict[str, Trace]]:
    """One session of each plan, as it was."""
    world = World()
    try:
        sessions = world.replica("one")
        recorder = Recorder(world.transport)
        specs = {plan: spec_of(plan=plan, producers=2, partitions=2) for plan in FILTERS}
        for spec in specs.values():
            sessions.open(spec)
            recorder.follow(spec)
        world.node = HostedNode(world.transport, STAGES, print, CONFIG)
        for spec in specs.values():
            feed(sessions, spec)
            reaches(sessions, spec, "completed")
        traces = {trace.spec.id: trace for trace in recorder.traces(PATIENCE)}
        recorder.close()
        yield {plan: traces[spec.id] for plan, spec in specs.items()}
    finally:
        world.close()


@pytest.fixture(params=FILTERS)
def trace(request: pytest.FixtureRequest, recorded: dict[str, Trace]) -> Trace:
    found: Trace = recorded[request.param]
    return found


def test_what_happened_is_accepted(trace: Trace) -> None:
    assert refusals(trace) == []
    assert terminal(trace) == "completed"
    assert trace.cut == frozenset()
    assert all(whole(trace, task) for task, _ in trace.tasks())
    assert [
        event.kind for event in trace.events if event.kind in ("opened", "ended", "released")
    ] == [
        "opened",
        "ended",
        "released",
    ]


Change = Callable[[list[Record]], list[Record]]


def journal(trace: Trace, producer: str) -> str:
    """The input journal of a task."""
    return f"in.{trace.spec.id}.{producer}"


def changed(trace: Trace, name: str, change: Change) -> Trace:
    """The trace with one journal changed."""
    return replace(trace, journals={**trace.journals, name: change(list(trace.journals[name]))})


def of_filters(change: Change) -> Callable[[Trace], Trace]:
    return lambda trace: changed(trace, journal(trace, FILTERS[trace.spec.plan]), change)


def of_out(change: Change) -> Callable[[Trace], Trace]:
    return lambda trace: changed(trace, out_journal(trace.spec.id), change)


def first(records: list[Record], kind: str) -> Record:
    return next(record for record in records if record.kind == kind)


def last_first(records: list[Record]) -> list[Record]:
    """The same in the opposite order, ends of streams before their batches."""
    return records[::-1]


def marked(trace: Trace) -> Trace:
    """The filters read their journal to a marker."""
    return of_filters(lambda records: [*records, Record("marker", "marker", "a", 1)])(trace)


def asks(trace: Trace, **fields: object) -> Record:
    """A request of the filters for all of the first producer's transactions."""
    name = FILTERS[trace.spec.plan]
    given = trace.journals[journal(trace, name)]
    end = next(r for r in given if (r.kind, r.stream, r.producer) == ("eof", "transactions", "0"))
    gap = Gap("transactions", "0", end.number, (), 2)
    return Missing(name, replace(gap, **fields)).record()  # type: ignore[arg-type]


HARMLESS: dict[str, Callable[[Trace], Trace]] = {
    "every record of a task's input twice": of_filters(lambda records: records * 2),
    "a task's input in the opposite order": of_filters(last_first),
    "a failure after the end": of_out(lambda r: [*r, Record("failed", "session", "x", 0, b"late")]),
    "an answer that is told again": of_out(lambda r: [*r, first(r, "batch"), first(r, "eof")]),
    "requests of a task that read its journal to a marker": lambda trace: marked(
        of_out(lambda r: [*r, asks(trace), asks(trace, ranges=((0, 0),))])(trace)
    ),
    "a marker of another attempt": lambda trace: marked(trace),
    "a task that is done twice": of_out(lambda r: [*r, first(r, "done")]),
    "an attempt that came too late": of_out(
        lambda r: [*r, Claim("aggregator_query1.0", "late").record()]
    ),
}


@pytest.mark.parametrize("what", HARMLESS)
def test_what_the_protocol_allows_is_accepted(trace: Trace, what: str) -> None:
    assert refusals(HARMLESS[what](trace)) == []


def without(kind: str) -> Change:
    return lambda records: [each for each in records if each is not first(records, kind)]


def also(like: str, **fields: object) -> Change:
    """One more record, like the first of a kind but for some fields."""
    return lambda records: [*records, replace(first(records, like), **fields)]  # type: ignore[arg-type]


def events(trace: Trace, *kinds: str) -> Trace:
    """The trace with its events in another order, or fewer of them."""
    by_kind = {event.kind: event for event in trace.events}
    return replace(trace, events=tuple(by_kind[kind] for kind in kinds))


def ended(trace: Trace, state: str) -> Trace:
    wrong = [
        replace(event, fields={**event.fields, "state": state}) if event.kind == "ended" else event
        for event in trace.events
    ]
    return replace(trace, events=tuple(wrong))


NAMED = Claim("aggregator_query1.0", "mine", "batch query1_partial/filters.0/0")
MUTATIONS: dict[str, tuple[Callable[[Trace], Trace], str]] = {
    "an answer without a batch of its input": (of_filters(without("batch")), "without"),
    "an answer without an end of its input": (of_filters(without("eof")), "without all"),
    "a batch above the end of its stream": (of_filters(also("batch", number=40)), "ended"),
    "a batch of another partition": (of_filters(also("batch", number=1)), "another partition"),
    "a batch of an unknown producer": (of_filters(also("batch", producer="7")), "no announced"),
    "a batch of a stream without a reader": (of_filters(also("batch", stream="x")), "no process"),
    "a claim on an input journal": (of_filters(also("eof", kind="claim")), "no process sends"),
    "two counts of one stream": (of_filters(also("eof", number=9)), "ended"),
    "two contents under one id": (of_filters(also("batch", digest="another")), "2 contents"),
    "two answers": (of_out(also("batch", digest="another")), "2 contents"),
    "an answer before the task is claimed": (of_out(lambda r: r[::-1]), "before it claimed"),
    "an answer of nobody who computes it": (of_out(also("batch", producer="x.0")), "no announced"),
    "an answer to no question": (of_out(also("batch", stream="query9")), "no result"),
    "an isolated attempt that is the first": (
        of_out(lambda r: [Claim(NAMED.task, NAMED.attempt).record(), NAMED.record(), *r]),
        "isolated in attempt 1",
    ),
    "a record named before the task is claimed": (
        of_out(lambda r: [NAMED.record(), *r]),
        "names batch",
    ),
    "a completed session that failed first": (
        of_out(lambda r: [Record("failed", "session", "x", 0, b"first"), *r]),
        "says failed",
    ),
    "a completed session without an answer": (
        of_out(lambda r: [each for each in without("eof")(r) if each.kind != "failed"]),
        "says nothing",
    ),
    "input deleted before the end": (
        lambda t: events(t, "opened", "declared", "released", "ended"),
        "deleted before",
    ),
    "a session that nobody opened": (lambda t: events(t, "ended", "opened"), "the first event"),
    "a failure that nobody told": (lambda t: ended(t, "failed"), "says completed"),
    "a request without a marker": (
        lambda t: of_out(lambda r: [*r, asks(t)])(t),
        "without having read its journal",
    ),
    "a request for another partition": (
        lambda t: of_out(lambda r: [*r, asks(t, ranges=((1, 1),))])(marked(t)),
        "another partition",
    ),
    "a request above the end": (
        lambda t: of_out(lambda r: [*r, asks(t, ranges=((80, 80),))])(marked(t)),
        "above its end",
    ),
    "a request with an end that was not given": (
        lambda t: of_out(lambda r: [*r, asks(t, count=90)])(marked(t)),
        "whose end",
    ),
    "a request for what nobody sends": (
        lambda t: of_out(lambda r: [*r, asks(t, stream="stores")])(marked(t)),
        "no process sends",
    ),
    "a request of no task": (
        lambda t: of_out(lambda r: [*r, Missing("x.0", Gap("stores", "0", 1)).record()])(t),
        "does not exist",
    ),
    "a task that is done without its input": (of_filters(without("eof")), "is done without"),
    "a task that is done before it is claimed": (
        of_out(lambda r: [first(r, "done"), *r]),
        "is done before",
    ),
    "word of a task that does not exist": (
        of_out(lambda r: [*r, replace(first(r, "done"), producer="x.0")]),
        "does not exist",
    ),
    "clients given up before they ended": (
        lambda t: events(
            of_filters(lambda r: [*r, Record("client_gone", "clients", "g", 0)])(t),
            "opened",
            "declared",
        ),
        "given up",
    ),
}


@pytest.mark.parametrize("what", MUTATIONS)
def test_what_the_protocol_does_not_allow_is_refused(trace: Trace, what: str) -> None:
    mutate, complaint = MUTATIONS[what]
    found = refusals(mutate(trace))
    assert any(complaint in each for each in found), found


def test_a_map_that_told_what_it_was_not_given_is_refused(recorded: dict[str, Trace]) -> None:
    trace = recorded["staged"]
    name = journal(trace, "filter_hour.0")
    made_up = changed(trace, name, also("batch", number=2))
    assert any("without having been given" in each for each in refusals(made_up))


def test_input_that_was_deleted_too_early_to_be_read_proves_nothing(trace: Trace) -> None:
    name = journal(trace, FILTERS[trace.spec.plan])
    short = changed(trace, name, lambda records: records[:1])
    assert refusals(short) != []
    assert refusals(replace(short, cut=frozenset({name}))) == []


def test_a_session_that_has_just_begun_is_accepted() -> None:
    assert refusals(Trace(SessionSpec("s"), {})) == []
