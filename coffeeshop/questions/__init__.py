"""Questions as data: one declared form, how it is read from SQL, and the operators that answer it.

`form` is the data. `evaluate`, `groups`, `partial` and `final` compute; they are pure, like
everything in `coffeeshop.operators`. `sql` reads DuckDB's SQL into the form, and `gallery` has
questions that are ready. Nothing in here does I/O.
"""
