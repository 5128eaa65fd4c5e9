"""Topology as data: which operator runs in which stage, and which journals join the stages.

An `Operator` reads streams and emits one. A `Stage` is a chain of operators run by the same task;
a stream that an operator of another stage reads travels over that stage's journals. The plans
differ in the cut only; the operators are the same code.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial

from coffeeshop import names
from coffeeshop.errors import UsageError
from coffeeshop.operators import Filter, Fold, Late, Map, Range
from coffeeshop.parameters import Parameters
from coffeeshop.pipeline.compiling import STREAMS, Special, filter_of, ranges_of, special
from coffeeshop.pipeline.messages import SessionSpec, TaskId
from coffeeshop.questions.asking import BUILTIN, builtin_in, own_in
from coffeeshop.questions.builtin import builtin
from coffeeshop.questions.form import Question
from coffeeshop.schema import CATALOG, TABLES, UPLOAD_ORDER, Column, Kind, Table


@dataclass(frozen=True)
class MapOperator:
    """Turns each batch of ``source`` into a batch of ``emits`` with the same id."""

    name: str
    source: str
    emits: str
    function: Map

    @property
    def sources(self) -> tuple[str, ...]:
        """The streams it reads."""
        return (self.source,)


@dataclass(frozen=True)
class FoldOperator:
    """Folds all batches of ``sources`` and emits one result at their end.

    ``reads`` names the columns it reads of its sources; empty: all.
    """

    name: str
    sources: tuple[str, ...]
    emits: str
    make: Callable[[], Fold]
    reads: tuple[str, ...] = ()


Operator = MapOperator | FoldOperator


def flow(parameters: Parameters, asked: Sequence[str] = BUILTIN) -> dict[str, tuple[Operator, ...]]:
    """The operators of built-in questions, compiled from their forms, in the groups that a stage
    takes whole. ``asked``: the modules of the questions."""
    groups: dict[str, dict[str, Operator]] = defaultdict(dict)
    known_questions = builtin(parameters)
    for module in asked:
        for question in known_questions[module]:
            known = special(question)
            if known is not None:
                _add_special(groups, module, question, known)
                continue
            for operator in _partials(question):
                groups[f"partial_{module}"][operator.emits] = operator
            groups[module][question.name] = _final(question)
    return {name: tuple(operators.values()) for name, operators in groups.items()}


def _add_special(
    groups: dict[str, dict[str, Operator]], module: str, question: Question, known: Special
) -> None:
    ranges = ranges_of(question)
    stream = question.table
    for name in known.filters:
        emits = STREAMS[stream, name]
        function = filter_of(name, ranges)
        groups[name].setdefault(emits, MapOperator(name, stream, emits, function))
        stream = emits
    partial_stream = f"{known.group}_partial"
    groups[f"partial_{known.group}"][partial_stream] = FoldOperator(
        f"partial_{known.group}", (stream,), partial_stream, known.partial(ranges), known.reads
    )
    top = 0 if question.top is None else question.top.n
    sources = (partial_stream, *(join.table for join in question.joins))
    make = known.final(ranges, top)
    groups[module][question.name] = FoldOperator(module, sources, question.name, make)


def _partials(question: Question) -> Iterator[FoldOperator]:
    from coffeeshop.questions.partial import PartialQuestion, parts

    reads = question.columns(question.table)
    for part in parts(question):
        make = partial(PartialQuestion, part)
        yield FoldOperator(f"partial_{question.name}", (question.table,), part.stream, make, reads)


def _final(question: Question) -> FoldOperator:
    from coffeeshop.questions.final import FinalQuestion
    from coffeeshop.questions.partial import parts

    sources = *(p.stream for p in parts(question)), *(join.table for join in question.joins)
    return FoldOperator(question.name, sources, question.name, partial(FinalQuestion, question))


@dataclass(frozen=True)
class Stage:
    """A node type: its operators in flow order, and whether it runs in P partitions or in one."""

    name: str
    operators: tuple[Operator, ...]
    parallel: bool

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The streams that must come from outside, over the stage's journals."""
        made = {operator.emits for operator in self.operators}
        read = dict.fromkeys(s for operator in self.operators for s in operator.sources)
        return tuple(stream for stream in read if stream not in made)

    def inputs_of(self, stream: str) -> frozenset[str]:
        """The inputs that a stream is made of in the stage: itself if it comes from outside."""
        for operator in self.operators:
            if operator.emits == stream:
                return frozenset().union(*map(self.inputs_of, operator.sources))
        return frozenset((stream,))

    def partitions(self, spec: SessionSpec) -> int:
        """How many tasks the stage has in a session."""
        return spec.partitions if self.parallel else 1


@dataclass(frozen=True)
class Plan:
    """A cut of the flow into stages. All lookups are by name; nothing here knows a transport."""

    name: str
    stages: tuple[Stage, ...]
    tables: tuple[Table, ...] = tuple(TABLES.values())
    """The tables that are read, with the columns that are."""

    def table(self, name: str) -> Table:
        """The table of that name; `UsageError` when the plan does not read it."""
        for table in self.tables:
            if table.name == name:
                return table
        known = ", ".join(self.table_names)
        raise UsageError(f"the session does not read {name}; it reads {known}")

    @cached_property
    def table_names(self) -> tuple[str, ...]:
        """The names of the tables that are read."""
        return tuple(table.name for table in self.tables)

    def stage(self, name: str) -> Stage:
        """The stage of that name; `UsageError` when the plan has none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise UsageError(f"plan {self.name} has no stage {name}")

    def readers(self, stream: str) -> tuple[Stage, ...]:
        """The stages that take ``stream`` over their journals."""
        return tuple(stage for stage in self.stages if stream in stage.inputs)

    def producers(self, stream: str, spec: SessionSpec) -> tuple[str, ...]:
        """The announced producers of ``stream``: the clients, or the tasks that fold it.

        A map keeps the ids of its source, so its producers are its source's.
        """
        if stream in CATALOG:
            return spec.producer_names
        for stage in self.stages:
            for operator in stage.operators:
                if operator.emits == stream:
                    if isinstance(operator, MapOperator):
                        return self.producers(operator.source, spec)
                    return tuple(
                        TaskId(spec.id, stage.name, p).producer
                        for p in range(stage.partitions(spec))
                    )
        raise UsageError(f"plan {self.name} has no stream {stream}")

    @cached_property
    def results(self) -> tuple[str, ...]:
        """The streams that no stage reads: the session's results."""
        read = {source for operator in self.operators for source in operator.sources}
        return tuple(op.emits for op in self.operators if op.emits not in read)

    def results_of(self, stage: Stage) -> list[str]:
        """The session's results that a stage makes."""
        return [op.emits for op in stage.operators if op.emits in self.results]

    def upstream(self, stage: Stage) -> list[str]:
        """The stages whose output a stage reads."""
        return [
            each.name
            for each in self.stages
            if any(op.emits in stage.inputs for op in each.operators)
        ]

    @cached_property
    def operators(self) -> tuple[Operator, ...]:
        """Every operator of every stage."""
        return tuple(operator for stage in self.stages for operator in stage.operators)

    def late_columns(self, table: str) -> Late:
        """The texts of ``table`` that are read behind filters only, and in which rows that is."""
        texts = [c.name for c in self.table(table).columns if c.kind is Kind.TEXT]
        behind = {text: list(self._readers_of(text, table)) for text in texts}
        shared = {
            text: tuple(r for r in readers[0] if all(r in other for other in readers))
            for text, readers in behind.items()
            if readers
        }
        late = {text: ranges for text, ranges in shared.items() if ranges}
        ranges = next(iter(late.values()), ())
        return Late(tuple(text for text, each in late.items() if each == ranges), ranges)

    def _readers_of(
        self, column: str, stream: str, behind: tuple[Range, ...] = ()
    ) -> Iterator[tuple[Range, ...]]:
        """For each operator that reads the column, the ranges that a row has passed until there."""
        for operator in self.operators:
            if stream not in operator.sources:
                continue
            if isinstance(operator, FoldOperator):
                if not operator.reads or column in operator.reads:
                    yield behind
            elif isinstance(operator.function, Filter):
                passed = (*behind, *operator.function.ranges)
                yield from self._readers_of(column, operator.emits, passed)
            else:  # it may do anything with the column
                yield behind

    def tasks(self, spec: SessionSpec) -> tuple[TaskId, ...]:
        """Every task of a session."""
        return tuple(
            TaskId(spec.id, stage.name, partition)
            for stage in self.stages
            for partition in range(stage.partitions(spec))
        )


@lru_cache(maxsize=256)
def _built_in(plan: str, parameters: Parameters) -> Plan:
    groups = flow(parameters)
    stages = tuple(
        Stage(
            name,
            tuple(operator for part in parts for operator in groups[part]),
            name in names.PARALLEL[plan],
        )
        for name, parts in names.PLANS[plan].items()
    )
    extra = [each for name in names.EXTRA for each in builtin(parameters)[name]]
    return Plan(plan, stages, _with_more(TABLES, tables_of(extra)))


def _with_more(known: dict[str, Table], more: Sequence[Table]) -> tuple[Table, ...]:
    """Tables with the columns of both."""
    found = dict(known)
    for table in more:
        columns = found[table.name].columns if table.name in found else ()
        others = (column for column in table.columns if column not in columns)
        found[table.name] = Table(table.name, (*columns, *others))
    return tuple(found.values())


MOST_QUESTIONS = 20
"""Of one session."""


def plan_of(spec: SessionSpec) -> Plan:
    """The plan of a session: that of the built-in questions, or of those that it names and its own.

    Raises `UsageError` for a plan that there is not, `CodecError` for questions that are none.
    """
    if spec.quality:
        return _checked(replace(spec, id="", producers=1, partitions=1, quality=False))
    if not spec.questions:
        plan = plan_named(spec.plan)
        if not spec.parameters:
            return plan
        return _built_in(spec.plan, Parameters.of_text(spec.parameters))
    return _asked_plan(spec.plan, spec.parameters, spec.questions)


@lru_cache(maxsize=256)
def _checked(spec: SessionSpec) -> Plan:
    """The plan of a session with checks of its data: what they fold goes into the first stage, and
    the one that finishes questions of its own finishes them."""
    from coffeeshop.questions import quality

    plan = plan_of(spec)
    if quality.RESULT in plan.results:
        raise UsageError(f"a question is called {quality.RESULT}, as the checks of the data are")
    partials = tuple(operator for each in quality.GROUPINGS for operator in _partials(each))
    sources = *(each.emits for each in partials), *quality.DIMENSIONS
    final = FoldOperator(quality.RESULT, sources, quality.RESULT, quality.FinalQuality)
    stages = {stage.name: stage for stage in plan.stages}
    stages.setdefault(names.OWN, Stage(names.OWN, (), False))
    for stage, more in ((plan.stages[0], partials), (stages[names.OWN], (final,))):
        stages[stage.name] = replace(stage, operators=(*stage.operators, *more))
    read = [
        Table(name, tuple(c for c in CATALOG[name].columns if c.name in columns))
        for name, columns in quality.tables_read().items()
    ]
    tables = _with_more({table.name: table for table in plan.tables}, read)
    return Plan(plan.name, tuple(stages.values()), tables)


@lru_cache(maxsize=256)
def _asked_plan(name: str, parameters: str, texts: tuple[str, ...]) -> Plan:
    """The built-in questions that are named, in the stages that they always have, and those in SQL
    in `filters` and `names.OWN`."""
    plan_named(name)
    asked, own = builtin_in(texts), own_in(texts)
    if own and name != "fused":
        raise UsageError("questions of one's own are answered in the plan 'fused'")
    if len(texts) > MOST_QUESTIONS:
        raise UsageError(f"a session has up to {MOST_QUESTIONS} questions, not {len(texts)}")
    if unknown := [each for each in asked if each not in BUILTIN]:
        raise UsageError(f"this release has no question {unknown[0]!r} built in")
    known = builtin(Parameters.of_text(parameters))
    questions = [*(each for module in asked for each in known[module]), *own]
    groups = flow(Parameters.of_text(parameters), asked)
    stages = {
        stage: [operator for part in parts for operator in groups.get(part, ())]
        for stage, parts in names.PLANS[name].items()
    }
    for question in own:
        stages["filters"] += _partials(question)
        stages.setdefault(names.OWN, []).append(_final(question))
    _check_names(questions, [each.emits for operators in stages.values() for each in operators])
    return Plan(
        name,
        tuple(
            Stage(stage, tuple(operators), stage in names.PARALLEL[name])
            for stage, operators in stages.items()
            if operators
        ),
        tables_of(questions),
    )


def _check_names(questions: Sequence[Question], streams: Sequence[str]) -> None:
    """Raise `UsageError` where two streams of a plan would have one name."""
    if named := [question.name for question in questions if question.name in CATALOG]:
        raise UsageError(f"a question is called as the table {named[0]}")
    if len({question.name for question in questions}) < len(questions):
        raise UsageError("two questions have one name")
    for question in questions:
        if streams.count(question.name) > 1:
            raise UsageError(
                f"a question cannot be called {question.name} beside the built-in ones: they have "
                f"something of that name"
            )


def tables_of(questions: Sequence[Question]) -> tuple[Table, ...]:
    """The tables that questions read, dimensions first, each with the columns that they read."""
    found = []
    for name in UPLOAD_ORDER:
        asked = {column for question in questions for column in question.columns(name)}
        if any(name in question.tables for question in questions):
            columns = CATALOG[name].columns
            # A table without a column has no rows: one that is short stands for all of them.
            kept = tuple(c for c in columns if c.name in asked) or _short(columns)
            found.append(Table(name, kept))
    return tuple(found)


def _short(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    return tuple(c for c in columns if c.kind is not Kind.TEXT)[:1]


def plan_named(name: str) -> Plan:
    """The plan of that name; `UsageError` names the choices."""
    try:
        return PLANS[name]
    except KeyError:
        raise UsageError(f"no plan {name!r}; the plans are {', '.join(PLANS)}") from None


def destinations(plan: Plan, spec: SessionSpec, stream: str, number: int | None) -> list[str]:
    """The journals a record of ``stream`` goes to: for a batch the partition its number picks in
    each reading stage; for an end of stream (``number`` None) all partitions."""
    found: list[str] = []
    for stage in plan.readers(stream):
        count = stage.partitions(spec)
        partitions = range(count) if number is None else (number % count,)
        found.extend(TaskId(spec.id, stage.name, p).journal for p in partitions)
    return found


PLANS: dict[str, Plan] = {plan: _built_in(plan, Parameters()) for plan in names.PLANS}
"""The plans with the parameters that the questions have always had."""
