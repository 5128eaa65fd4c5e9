"""The plans: one flow, two cuts, and the same names on both sides of every journal."""

from __future__ import annotations

import pytest

from coffeeshop.errors import UsageError
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import (
    PLANS,
    FoldOperator,
    MapOperator,
    Plan,
    destinations,
    plan_named,
)
from coffeeshop.schema import TABLES

RESULTS = ("query1", "query2_best_selling", "query2_most_profitable", "query3", "query4")
SPEC = SessionSpec("s", "fused", 2, 3)
BOTH = pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)


@BOTH
def test_a_plan_has_the_five_results(plan: Plan) -> None:
    assert plan.results == RESULTS


READERS = {
    "fused": {
        "transactions": ["filters"],
        "transaction_items": ["filters"],
        "menu_items": ["aggregator_query2"],
        "stores": ["aggregator_query3", "aggregator_query4"],
        "users": ["aggregator_query4"],
    },
    "staged": {
        "transactions": ["filter_year"],
        "transaction_items": ["filter_year"],
        "menu_items": ["aggregator_query2"],
        "stores": ["aggregator_query3", "aggregator_query4"],
        "users": ["aggregator_query4"],
    },
}


@BOTH
def test_a_plan_reads_every_table(plan: Plan) -> None:
    found = {table: [stage.name for stage in plan.readers(table)] for table in TABLES}
    assert found == READERS[plan.name]


@BOTH
def test_every_input_of_a_stage_has_producers(plan: Plan) -> None:
    for stage in plan.stages:
        for stream in stage.inputs:
            producers = plan.producers(stream, SPEC)
            # Clients make tables and what a filter lets pass of them, tasks make aggregates.
            if not stream.endswith("_partial"):
                assert producers == SPEC.producer_names
            else:
                made_by = {producer.partition(".")[0] for producer in producers}
                assert len(producers) == SPEC.partitions
                assert made_by == set(plan.upstream(stage))


@BOTH
def test_the_operators_are_the_same_in_every_plan(plan: Plan) -> None:
    def emitted(of: Plan) -> set[str]:
        return {operator.emits for stage in of.stages for operator in stage.operators}

    assert emitted(plan) == emitted(PLANS["fused"])


@BOTH
def test_a_stage_lists_an_operator_after_those_that_feed_it(plan: Plan) -> None:
    for stage in plan.stages:
        made = set(stage.inputs)
        for operator in stage.operators:
            assert set(operator.sources) <= made
            made.add(operator.emits)


def test_the_inputs_of_a_stage_come_from_outside() -> None:
    assert plan_named("fused").stage("filters").inputs == ("transactions", "transaction_items")
    assert plan_named("staged").stage("filter_hour").inputs == ("transactions_in_years",)
    assert plan_named("staged").stage("aggregator_query4").inputs == (
        "query4_partial",
        "stores",
        "users",
    )


def test_clients_produce_the_tables() -> None:
    assert plan_named("fused").producers("transactions", SPEC) == ("0", "1")


def test_a_map_keeps_the_producers_of_its_source() -> None:
    assert plan_named("staged").producers("transactions_in_hours", SPEC) == ("0", "1")


def test_the_tasks_of_a_fold_produce_its_result() -> None:
    assert plan_named("fused").producers("query1_partial", SPEC) == (
        "filters.0",
        "filters.1",
        "filters.2",
    )
    assert plan_named("staged").producers("query1_partial", SPEC) == (
        "filter_amount.0",
        "filter_amount.1",
        "filter_amount.2",
    )
    assert plan_named("fused").producers("query1", SPEC) == ("aggregator_query1.0",)


def test_parallel_stages_run_in_partitions_and_aggregators_in_one() -> None:
    tasks = [task.producer for task in plan_named("fused").tasks(SPEC)]
    assert tasks == [
        "filters.0",
        "filters.1",
        "filters.2",
        "aggregator_query1.0",
        "aggregator_query2.0",
        "aggregator_query3.0",
        "aggregator_query4.0",
    ]
    assert len(plan_named("staged").tasks(SPEC)) == 3 * 3 + 4


def test_a_batch_goes_to_the_partition_of_its_number() -> None:
    plan = plan_named("fused")
    assert destinations(plan, SPEC, "transactions", 0) == ["in.s.filters.0"]
    assert destinations(plan, SPEC, "transactions", 5) == ["in.s.filters.2"]


def test_a_batch_goes_to_every_stage_that_reads_it() -> None:
    assert destinations(plan_named("fused"), SPEC, "stores", 4) == [
        "in.s.aggregator_query3.0",
        "in.s.aggregator_query4.0",
    ]


def test_an_end_goes_to_every_partition() -> None:
    assert destinations(plan_named("fused"), SPEC, "transactions", None) == [
        "in.s.filters.0",
        "in.s.filters.1",
        "in.s.filters.2",
    ]


def test_a_stream_of_one_stage_travels_nowhere() -> None:
    assert destinations(plan_named("fused"), SPEC, "transactions_in_years", 0) == []


def test_an_unknown_plan_is_refused_with_the_choices() -> None:
    with pytest.raises(UsageError, match="no plan 'x'; the plans are fused, staged"):
        plan_named("x")


def test_an_unknown_stage_or_stream_is_refused() -> None:
    with pytest.raises(UsageError, match="no stage x"):
        plan_named("fused").stage("x")
    with pytest.raises(UsageError, match="no stream x"):
        plan_named("fused").producers("x", SPEC)


def test_operators_name_their_sources() -> None:
    stage = plan_named("fused").stage("filters")
    maps = [op for op in stage.operators if isinstance(op, MapOperator)]
    folds = [op for op in stage.operators if isinstance(op, FoldOperator)]
    assert maps[0].sources == ("transactions",)
    assert len(maps) + len(folds) == len(stage.operators)
    assert folds[0].make() is not folds[0].make()
