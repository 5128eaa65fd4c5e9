/** The cube of sales, a row for each store, month, weekday and hour, added up as it is asked for. */

import { unitsOf } from "../exact.js";

/** Decimals of an amount. */
export const SCALE = 3;

/** A number of sales and what they came to, in thousandths. */
export class Sum {
  constructor() {
    this.sales = 0;
    this.revenue = 0n;
  }

  add(sales, revenue) {
    this.sales += sales;
    this.revenue += revenue;
  }
}

/** The values of one column, each by its number: rows keep small numbers instead of texts. */
class Values {
  constructor(rows) {
    this.numbers = new Map();
    this.texts = [];
    this.of = new Uint32Array(rows);
  }

  put(row, text) {
    let number = this.numbers.get(text);
    if (number === undefined) {
      number = this.texts.push(text) - 1;
      this.numbers.set(text, number);
    }
    this.of[row] = number;
  }
}

/** `columns` are described by the gateway; `rows` have `length` and `row(i)`. */
export class Cube {
  constructor(columns, rows) {
    const at = placesOf(columns);
    const count = rows.length;
    this.stores = new Values(count);
    this.months = new Values(count);
    this.weekdays = new Values(count);
    this.hours = new Values(count);
    this.sales = new Float64Array(count);
    this.revenue = new Array(count);
    this.names = new Map();
    for (let i = 0; i < count; i += 1) {
      const row = rows.row(i);
      this.stores.put(i, row[at.store]);
      this.names.set(row[at.store], row[at.name]);
      this.months.put(i, row[at.month]);
      this.weekdays.put(i, row[at.weekday]);
      this.hours.put(i, row[at.hour]);
      this.sales[i] = Number(row[at.sales]);
      this.revenue[i] = unitsOf(row[at.revenue] || "0", SCALE);
    }
  }

  /** The first and the last month with sales; null when there is none. */
  get period() {
    const months = this.months.texts.filter(Boolean).sort();
    return months.length === 0 ? null : { from: months[0], to: months.at(-1) };
  }

  /** The hours of the day in which something was sold, in their order. */
  get openHours() {
    return this.hours.texts.filter(Boolean).map(Number).sort((a, b) => a - b);
  }

  /**
   * The sales of a `store` (null: of all), from a month to a month and from an hour to an hour, all
   * included: `{all, stores, months, times}`, the latter Maps by store, by month, and by
   * `weekday hour`, of `Sum`.
   */
  sums({ store = null, period = null, hours = null } = {}) {
    const found = { all: new Sum(), stores: new Map(), months: new Map(), times: new Map() };
    const isIn = (values, wanted) => Uint8Array.from(values.texts, (text) => (wanted(text) ? 1 : 0));
    const ofStore = isIn(this.stores, (text) => store === null || text === store);
    const ofPeriod = isIn(
      this.months,
      (text) => period === null || (text >= period.from && text <= period.to),
    );
    const ofHours = isIn(
      this.hours,
      (text) => hours === null || (Number(text) >= hours.from && Number(text) <= hours.to),
    );
    for (let i = 0; i < this.sales.length; i += 1) {
      const [a, b, c] = [this.stores.of[i], this.months.of[i], this.hours.of[i]];
      if (!ofStore[a] || !ofPeriod[b] || !ofHours[c]) continue;
      const [sales, revenue] = [this.sales[i], this.revenue[i]];
      found.all.add(sales, revenue);
      sumAt(found.stores, this.stores.texts[a]).add(sales, revenue);
      sumAt(found.months, this.months.texts[b]).add(sales, revenue);
      const when = `${this.weekdays.texts[this.weekdays.of[i]]} ${this.hours.texts[c]}`;
      sumAt(found.times, when).add(sales, revenue);
    }
    return found;
  }
}

function sumAt(sums, key) {
  let found = sums.get(key);
  if (found === undefined) {
    found = new Sum();
    sums.set(key, found);
  }
  return found;
}

/** Whether a cube can be made of an answer with these columns: a question may only be called so. */
export const isCube = (columns) => Object.values(placesOf(columns)).every((at) => at >= 0);

/** Where the columns are, by what they are and not by their order. */
function placesOf(columns) {
  const at = (test) => columns.findIndex(test);
  const name = at((each) => each.name === "store_name");
  const id = at((each) => each.name === "store_id");
  return {
    store: id < 0 ? name : id,
    name: name < 0 ? id : name,
    month: at((each) => each.name === "month"),
    weekday: at((each) => each.part === "iso_weekday"),
    hour: at((each) => each.part === "hour"),
    sales: at((each) => each.kind === "int" && each.role === "measure"),
    revenue: at((each) => each.kind === "amount" && each.role === "measure"),
  };
}
