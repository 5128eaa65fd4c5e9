"""The four queries in Spark SQL: ``pyspark_rival.py FOLDER OUT`` writes the five answers.

One process that uses every processor (``local[2]`` on two), columns by their types, adaptive
execution, what several queries read is cached. Amounts are exact decimals.
Each answer is a folder of CSV parts, as Spark writes them. Needs Java 17.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

TYPES = {  # all columns of a file in their order, since Spark takes them by place
    "transactions": (
        "transaction_id STRING, store_id BIGINT, payment_method_id STRING, voucher_id STRING,"
        " user_id DOUBLE, original_amount STRING, discount_applied STRING,"
        " final_amount DECIMAL(18,3), created_at TIMESTAMP_NTZ"
    ),
    "transaction_items": (
        "transaction_id STRING, item_id BIGINT, quantity BIGINT, unit_price STRING,"
        " subtotal DECIMAL(18,3), created_at TIMESTAMP_NTZ"
    ),
    "users": "user_id DOUBLE, gender STRING, birthdate DATE, registered_at STRING",
    "stores": "store_id BIGINT, store_name STRING",
    "menu_items": "item_id BIGINT, item_name STRING",
}
SHARED = {  # what several queries read: the years that count
    "transactions": "transaction_id, store_id, user_id, final_amount, created_at",
    "transaction_items": "item_id, quantity, subtotal, created_at",
}
YEARS = "created_at >= TIMESTAMP_NTZ '2024-01-01' AND created_at < TIMESTAMP_NTZ '2026-01-01'"
HOURS = (  # numbers: formatted texts take longer
    "hour(created_at) * 3600 + minute(created_at) * 60 + second(created_at)"
    " BETWEEN 6 * 3600 AND 23 * 3600"
)
BEST = """
    SELECT month AS year_month_created_at, item_name, {result} AS {measure}
    FROM (SELECT *, row_number() OVER (PARTITION BY month ORDER BY {measure} DESC, item_id) AS place
          FROM item_months)
    LEFT JOIN menu_items USING (item_id) WHERE place = 1 ORDER BY month"""
ITEM_MONTHS = """
    SELECT date_format(created_at, 'yyyy-MM') AS month, item_id,
           sum(quantity) AS sellings_qty, sum(subtotal) AS profit_sum
    FROM transaction_items GROUP BY 1, 2"""
QUERIES = {
    "query1": f"""
        SELECT transaction_id, final_amount FROM transactions
        WHERE {HOURS} AND final_amount >= 75 ORDER BY transaction_id, final_amount""",
    "query2_best_selling": BEST.format(measure="sellings_qty", result="sellings_qty"),
    "query2_most_profitable": BEST.format(measure="profit_sum", result="round(profit_sum, 2)"),
    "query3": f"""
        SELECT half AS year_half_created_at, coalesce(store_name, '') AS store_name,
               round(total, 2) AS tpv
        FROM (SELECT concat(year(created_at), if(month(created_at) > 6, '-H2', '-H1')) AS half,
                     store_id, sum(final_amount) AS total
              FROM transactions WHERE {HOURS} GROUP BY 1, 2)
        LEFT JOIN stores USING (store_id)
        ORDER BY half, coalesce(store_name, ''), store_id""",
    "query4": """
        SELECT coalesce(store_name, '') AS store_name, birthdate, purchases_qty
        FROM (SELECT *, row_number()
                  OVER (PARTITION BY store_id ORDER BY purchases_qty DESC, user_id) AS place
              FROM (SELECT store_id, user_id, count(*) AS purchases_qty FROM transactions
                    WHERE user_id IS NOT NULL GROUP BY store_id, user_id))
        LEFT JOIN stores USING (store_id) LEFT JOIN users USING (user_id)
        WHERE place <= 3
        ORDER BY coalesce(store_name, ''), store_id, purchases_qty DESC, user_id""",
}


def session(scratch: str) -> SparkSession:
    """Spark in this process's own Java machine, on loopback."""
    processors = str(os.cpu_count())
    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "4g",
        "spark.local.dir": scratch,
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": processors,  # else 200, for a cluster
        "spark.ui.enabled": "false",
    }
    builder = SparkSession.builder.master(f"local[{processors}]").appName("coffeeshop")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def rows(spark: SparkSession, folder: Path, table: str) -> DataFrame:
    """A table's rows, from either layout."""
    directory = folder / table
    source = directory if directory.is_dir() else folder / f"{table}.csv"
    read = spark.read.option("timestampNTZFormat", "yyyy-MM-dd HH:mm:ss").option("escape", '"')
    return read.csv(str(source), schema=TYPES[table], header=True)


def main(folder: Path, out: Path) -> None:
    """Answer all queries."""
    spark = session(str(out / "scratch"))
    spark.sparkContext.setLogLevel("ERROR")
    for table in TYPES:
        found = rows(spark, folder, table)
        if table in SHARED:
            found = found.selectExpr(*SHARED[table].split(", ")).where(YEARS)
        if table == "transactions":
            found = found.cache()
        found.createOrReplaceTempView(table)
    spark.sql(ITEM_MONTHS).cache().createOrReplaceTempView("item_months")
    for name, query in QUERIES.items():
        answer = spark.sql(query)
        answer.write.csv(str(out / f"{name}.csv"), header=True, escape='"', mode="overwrite")
    spark.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
