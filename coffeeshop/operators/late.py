"""Columns that travel only where a query can want them: elsewhere a null stands for the text.

Exact, since the rows in which the text is left out are dropped by the filters before the only
operator that reads it. `plan.late_columns` says which columns these are.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from coffeeshop.operators.filters import Range, meets
from coffeeshop.operators.rows import boolean_array


@dataclass(frozen=True)
class Late:
    """Text columns of a table that are wanted only in rows within all of the ranges."""

    columns: tuple[str, ...] = ()
    ranges: tuple[Range, ...] = ()

    def schema_of(self, schema: pa.Schema) -> pa.Schema:
        """The table's schema with late columns that may have nulls."""
        fields = [f.with_nullable(True) if f.name in self.columns else f for f in schema]
        return pa.schema(fields, schema.metadata)

    def withheld(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with a null for every text that no operator can want.

        The columns of the ranges may be narrowed. A late column becomes a nullable one.
        """
        if not self.columns:
            return batch
        wanted = boolean_array(meets(batch, self.ranges))
        for name in self.columns:
            place = batch.schema.get_field_index(name)
            # Two steps: under a null that is written in one the text would stay in the buffer.
            emptied = pc.if_else(wanted, batch.column(place), pa.scalar(""))
            values = pc.if_else(wanted, emptied, pa.scalar(None, pa.string()))
            field = batch.schema.field(place).with_nullable(True)
            batch = batch.set_column(place, field, values)
        return batch

    def lacking(self, batch: pa.RecordBatch) -> str | None:
        """The first late column that has a null in a row where it is wanted."""
        nulls = [name for name in self.columns if batch[name].null_count]
        if not nulls:
            return None
        wanted = boolean_array(meets(batch, self.ranges))
        for name in nulls:
            if pc.any(pc.and_(wanted, batch[name].is_null())).as_py():
                return name
        return None


NOTHING_LATE = Late()
"""Every text travels."""
