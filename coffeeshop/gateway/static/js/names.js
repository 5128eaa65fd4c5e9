/** What things are called on the page. */

export const TABLES = {
  menu_items: "Menu items",
  stores: "Stores",
  users: "Users",
  transactions: "Transactions",
  transaction_items: "Transaction items",
};

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
