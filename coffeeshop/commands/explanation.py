"""What becomes of a session's questions, as values and on the terminal."""

from __future__ import annotations

from typing import Any

from coffeeshop.parameters import Parameters
from coffeeshop.pipeline.compiling import special
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import MapOperator, plan_of
from coffeeshop.questions.asking import builtin_in, own_in
from coffeeshop.questions.builtin import builtin
from coffeeshop.questions.explaining import at_the_end, in_partitions
from coffeeshop.terminal import shown


def explained(spec: SessionSpec) -> dict[str, Any]:
    """The tables with the columns that travel, the stages, and what each question does."""
    plan = plan_of(spec)
    asked = builtin_in(spec.questions)
    known = [each for name in asked for each in builtin(Parameters())[name]]
    questions = [*known, *own_in(spec.questions)]
    return {
        "plan": spec.plan,
        "tables": {table.name: [c.name for c in table.columns] for table in plan.tables},
        "left_out": {
            table: list(late.columns)
            for table in plan.table_names
            if (late := plan.late_columns(table)).columns
        },
        "stages": [
            {
                "name": stage.name,
                "tasks": stage.partitions(spec),
                "reads": list(stage.inputs),
                "operators": list(dict.fromkeys(each.name for each in stage.operators)),
                "gives": [
                    each.emits for each in stage.operators if not isinstance(each, MapOperator)
                ],
            }
            for stage in plan.stages
        ],
        "questions": [
            {
                "name": each.name,
                "specialised": each in known and special(each) is not None,
                "in_each_partition": list(in_partitions(each)),
                "at_the_end": list(at_the_end(each)),
            }
            for each in questions
        ],
    }


def print_explained(found: dict[str, Any]) -> None:
    """For people."""
    print("columns that travel")
    for table, columns in found["tables"].items():
        print(f"  {table}: {', '.join(columns)}")
    for table, columns in found["left_out"].items():
        print(f"  of {table}, {', '.join(columns)} only where the filters keep the row")
    print(f"\nstages of the plan {found['plan']}")
    for stage in found["stages"]:
        tasks = "1 task" if stage["tasks"] == 1 else f"{stage['tasks']} tasks"
        print(f"  {stage['name']}, {tasks} on nodes of type {stage['name']}, worker or all")
        print(f"    reads {', '.join(stage['reads'])}; gives {', '.join(stage['gives'])}")
    for question in found["questions"]:
        kind = ", with operators of its own" if question["specialised"] else ""
        print(f"\n{question['name']}{kind}")
        print("  in each partition")
        for line in question["in_each_partition"]:
            print(f"    {shown(line)}")
        print("  at the end")
        for line in question["at_the_end"]:
            print(f"    {shown(line)}")
