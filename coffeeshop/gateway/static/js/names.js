/** What things are called on the page. */

/** Tables that only questions of a session's own read. */
const MORE_TABLES = { payment_methods: "Payment methods", vouchers: "Vouchers" };

export const TABLES = {
  menu_items: "Menu items",
  stores: "Stores",
  users: "Users",
  transactions: "Transactions",
  transaction_items: "Transaction items",
};

/** The questions that the summary of a session is made of. */
export const SUMMARY = { cube: "sales_cube", items: "items_by_month" };

/** What a table is called. */
export const tableName = (table) => TABLES[table] ?? MORE_TABLES[table] ?? table;

/** The names of the tables that a session reads, in their order. */
export const tablesOf = (session) =>
  Object.fromEntries(
    Object.keys({ ...MORE_TABLES, ...TABLES })
      .filter((table) => table in session.tables)
      .map((table) => [table, tableName(table)]),
  );

/** The names of what a session answers, by its results. */
export const queriesOf = (session) =>
  Object.fromEntries(session.queries.map((query) => [query, QUERIES[query] ?? words(query)]));

export const QUERIES = {
  query1: "Large purchases",
  query2_best_selling: "Best sellers by quantity",
  query2_most_profitable: "Best sellers by revenue",
  query3: "Revenue of stores",
  query4: "Most frequent customers",
};

export const STATES = {
  open: "Open",
  completed: "Completed",
  failed: "Failed",
  cancelled: "Cancelled",
  aborted: "Aborted",
};

/** A node type or stage as people say it. */
export const words = (name) => name.replaceAll("_", " ");

/** A session's name, or the start of its id when it has none. */
export const titleOf = (session) => session.name || `Session ${session.id.slice(0, 8)}`;
