/**
 * The questions in their order. Each `build(rows of each result it needs, signal, {parameters})`
 * gives its `nodes`, and `shown()`, to be called when they are in the document.
 */

import { query1 } from "./query1.js";
import { query2 } from "./query2.js";
import { query3 } from "./query3.js";
import { query4 } from "./query4.js";

export const QUESTIONS = [query1, query2, query3, query4];
