"""Random questions in SQL, from the grammar that is understood."""

from __future__ import annotations

import random

INSTANTS = {
    "transactions": "t.created_at",
    "transaction_items": "t.created_at",
    "users": "t.registered_at",
}
IDS = {
    "transactions": ("t.store_id", "t.payment_method_id", "t.voucher_id", "t.user_id"),
    "transaction_items": ("t.item_id",),
    "users": ("t.user_id",),
}
AMOUNTS = {
    "transactions": ("t.final_amount", "t.original_amount", "t.discount_applied"),
    "transaction_items": ("t.subtotal", "t.unit_price"),
    "users": (),
}
JOINS = {
    "transactions": {
        "stores": ("s", "store_id", "store_id", ("s.store_name", "s.city"), ()),
        "payment_methods": ("p", "method_id", "payment_method_id", ("p.method_name",), ()),
        "vouchers": ("v", "voucher_id", "voucher_id", ("v.voucher_code",), ("v.discount_value",)),
        "users": ("u", "user_id", "user_id", ("u.gender", "u.birthdate"), ()),
    },
    "transaction_items": {
        "menu_items": ("m", "item_id", "item_id", ("m.item_name", "m.category"), ("m.price",)),
    },
    "users": {},
}
PARTS = (
    "year({})", "quarter({})", "month({})", "week({})", "dayofweek({})", "isodow({})", "day({})",
    "hour({})", "minute({})", "extract(year from {})", "date_part('hour', {})",
    "date_trunc('month', {})", "date_trunc('week', {})", "date_trunc('quarter', {})",
    "date_trunc('day', {})", "strftime({}, '%Y-%m')", "strftime({}, '%H')",
    "strftime({}, '%d/%m/%Y')", "monthname({})", "dayname({})", "{}::date",
    "year({}) || '-H' || if(month({}) <= 6, 1, 2)", "(month({}) + 5) // 6",
)  # fmt: skip


class Grammar:
    """Questions by chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def question(self) -> tuple[str, bool]:
        """A text, and whether it says the order of all of its rows."""
        chance = self.chance
        self.fact = chance.choices(list(JOINS), (6, 4, 1))[0]
        known = JOINS[self.fact]
        self.joined = chance.sample(list(known), chance.randrange(min(3, len(known) + 1)))
        source = f"from {self.fact} t" + "".join(f" {self._join(each)}" for each in self.joined)
        where = f" where {self._condition(2)}" if chance.random() < 0.5 else ""
        if chance.random() < 0.15:
            return self._rows(source, where)
        return self._groups(source, where)

    def _join(self, table: str) -> str:
        alias, key, fact, _, _ = JOINS[self.fact][table]
        kind = self.chance.choice(["join", "left join", "inner join", "left outer join"])
        if key == fact and self.chance.random() < 0.4:
            return f"{kind} {table} {alias} using ({key})"
        sides = [f"t.{fact}", f"{alias}.{key}"]
        self.chance.shuffle(sides)
        return f"{kind} {table} as {alias} on {sides[0]} = {sides[1]}"

    def _rows(self, source: str, where: str) -> tuple[str, bool]:
        columns = self._keys(self.chance.randrange(1, 5))
        names = [f"c{number}" for number in range(len(columns))]
        items = ", ".join(f"{c} as {n}" for c, n in zip(columns, names, strict=True))
        order, total = self._order(names, names)
        distinct = "distinct " if self.chance.random() < 0.3 else ""
        return f"select {distinct}{items} {source}{where}{order}", total

    def _groups(self, source: str, where: str) -> tuple[str, bool]:
        chance = self.chance
        keys = self._keys(chance.randrange(4))
        key_names = [f"k{number}" for number in range(len(keys))]
        measures = [self._measure() for _ in range(chance.randrange(0 if keys else 1, 4))]
        names = [f"m{number}" for number in range(len(measures))]
        items = [f"{k} as {n}" for k, n in zip(keys, key_names, strict=True)]
        items += [f"{m} {n}" for m, n in zip(measures, names, strict=True)]
        group = chance.choice([
            ", ".join(keys), ", ".join(str(n + 1) for n in range(len(keys))), "all",
            ", ".join(key_names),
        ]) if keys else ""  # fmt: skip
        having = qualify = ""
        if measures and keys and chance.random() < 0.3:
            having = f" having {self._having(chance.choice(measures))}"
        if keys and chance.random() < 0.3:
            per = chance.sample(key_names, chance.randrange(len(keys) + 1))
            partition = f"partition by {', '.join(per)} " if per else ""
            by = self._directed([*chance.sample(names, min(1, len(names))), *key_names])
            number = chance.choice(["<= 3", "= 1", "< 3", "<= 1"])
            group = ", ".join(keys) if group == "all" else group  # DuckDB does not take both
            qualify = f" qualify row_number() over ({partition}order by {by}) {number}"
        order, total = self._order([*key_names, *names], key_names)
        text = (
            f"select {', '.join(items)} {source}{where}"
            f"{f' group by {group}' if group else ''}{having}{qualify}{order}"
        )
        return text, total or not keys

    def _order(self, names: list[str], unique: list[str]) -> tuple[str, bool]:
        """An order by some names; by the unique ones too, if it is total, perhaps with a limit."""
        chance = self.chance
        if chance.random() < 0.4 or not names:
            return "", False
        some = chance.sample(names, chance.randrange(1, len(names) + 1))
        if chance.random() < 0.5:
            return f" order by {self._directed(some)}", False
        every = [*some, *(name for name in unique if name not in some)]
        limit = f" limit {chance.randrange(1, 6)}" if chance.random() < 0.5 else ""
        limit += f" offset {chance.randrange(3)}" if limit and chance.random() < 0.3 else ""
        return f" order by {self._directed(every)}{limit}", True

    def _directed(self, names: list[str]) -> str:
        ways = ["", "", " desc", " asc", " desc nulls first", " nulls first", " desc nulls last"]
        return ", ".join(name + self.chance.choice(ways) for name in names)

    def _keys(self, count: int) -> list[str]:
        return list(dict.fromkeys(self._key() for _ in range(count)))

    def _key(self) -> str:
        chance = self.chance
        texts = [c for each in self.joined for c in JOINS[self.fact][each][3]]
        way = chance.randrange(8)
        if way < 3:
            return chance.choice(PARTS).replace("{}", INSTANTS[self.fact])
        if way < 5 and texts:
            return chance.choice(texts)
        if way == 5:
            column = chance.choice(IDS[self.fact])
            return f"case when {column} is null then 'none' when {column} > 3 then 'x' end"
        if way == 6 and texts:
            return f"coalesce({chance.choice([t for t in texts if t != 'u.birthdate'])}, '?')"
        return chance.choice(IDS[self.fact])

    def _value(self) -> str:
        chance = self.chance
        amounts = list(AMOUNTS[self.fact])
        if self.fact == "transaction_items":
            amounts += ["t.quantity", "t.quantity * t.unit_price", "t.quantity * 2"]
        if self.fact == "transactions":
            amounts += ["t.original_amount - t.final_amount", "-t.final_amount"]
            amounts += ["case when t.user_id is null then t.final_amount else 0 end"]
        return chance.choice(amounts) if amounts else "year(t.registered_at)"

    def _measure(self) -> str:
        chance = self.chance
        only = f" filter (where {self._condition(1, facts=True)})" if chance.random() < 0.2 else ""
        way = chance.randrange(9)
        if way < 2:
            return f"count(*){only}"
        if way == 2:
            return f"count({chance.choice(IDS[self.fact])}){only}"
        if way == 3:
            of = [*IDS[self.fact], INSTANTS[self.fact] + "::date"]
            of += [c for each in self.joined for c in JOINS[self.fact][each][3]] if not only else []
            return f"count(distinct {chance.choice(of)}){only}"
        if way == 4:
            return f"avg({self._value()}){only}"
        if way < 7:
            return f"sum({self._value()}){only}"
        of = [self._value(), INSTANTS[self.fact], chance.choice(IDS[self.fact])]
        return f"{chance.choice(['min', 'max'])}({chance.choice(of)}){only}"

    def _having(self, measure: str) -> str:
        sign = self.chance.choice([">", "<=", "<>", ">="])
        if measure.startswith(("min(t.created", "max(t.created", "min(t.reg", "max(t.reg")):
            return f"{measure} {sign} '2024-05-01 00:00:00'"
        return f"{measure} {sign} {self.chance.choice([0, 1, 2, 50])}"

    def _condition(self, depth: int, *, facts: bool = False) -> str:
        chance = self.chance
        if depth and chance.random() < 0.5:
            sides = [self._condition(depth - 1, facts=facts) for _ in range(2)]
            return f"({sides[0]} {chance.choice(['and', 'or'])} {sides[1]})"
        if chance.random() < 0.1:
            return f"not ({self._condition(0, facts=facts)})"
        return self._test(facts=facts)

    def _test(self, *, facts: bool) -> str:
        chance = self.chance
        moment = INSTANTS[self.fact]
        tests = [
            f"{moment} >= '2024-02-29 06:00:00'",
            f"{moment} < date '2024-07-01'",
            f"{moment}::date between '2024-01-01' and '2024-12-31'",
            f"{moment}::time <= '23:00:00'",
            f"hour({moment}) between 6 and 22",
            f"year({moment}) in (2024, 2025)",
            f"dayofweek({moment}) not in (0, 6)",
            f"month({moment}) % 2 = 1",
        ]
        for column in IDS[self.fact]:
            tests += [f"{column} = {chance.randrange(9)}", f"{column} is not null"]
            tests += [f"{column} in (1, 2, 77)", f"2 <> {column}"]
        for column in AMOUNTS[self.fact]:
            tests += [f"{column} >= 75", f"{column} between -1 and 50.5", f"{column} <> 0"]
        for each in () if facts else self.joined:
            for column in JOINS[self.fact][each][3]:
                if column != "u.birthdate":
                    tests += [f"{column} like 'N%'", f"{column} is null", f"lower({column}) > 'd'"]
                    tests += [f"{column} ilike 'n_rt%'", f"{column} in ('North', 'coffee')"]
                else:
                    tests.append(f"{column} < '2024-06-01'")
            tests += [f"{column} > 20" for column in JOINS[self.fact][each][4]]
        return chance.choice(tests)
