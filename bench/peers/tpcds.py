"""
Rows of TPC-DS's table store_sales, and changes of them, as LHBench's merge microbenchmark has them: half of the changed rows have keys of
the table, the other half new ones.

    tpcds.py FOLDER SCALE SHARE…

Writes FOLDER/sales/N.parquet, and FOLDER/changes_N.parquet for each share of the rows (0.01 is one percent). Prints what it wrote.
"""

import importlib.util
import json
import sys
from pathlib import Path

import duckdb

folder, scale, *shares = sys.argv[1:]
(Path(folder) / "sales").mkdir(parents=True)
extension = next(Path(importlib.util.find_spec("duckdb_extension_tpcds").submodule_search_locations[0]).rglob("*.duckdb_extension"))
db = duckdb.connect()
db.execute(f"LOAD '{extension}'; SET preserve_insertion_order = false; CALL dsdgen(sf = {scale})")
columns = [name for (name, *_) in db.execute("DESCRIBE store_sales").fetchall()]
# A row's number decides, so that each run has the same changes.
db.execute(
    """CREATE TABLE sales AS SELECT *, 0 AS changed FROM store_sales;
    CREATE TABLE numbered AS SELECT *, row_number() OVER (ORDER BY hash(ss_ticket_number, ss_item_sk), ss_item_sk) AS n FROM store_sales"""
)
(rows, last) = db.execute("SELECT count(*), max(ss_ticket_number) FROM sales").fetchone()
parts = 8
for part in range(parts):
    db.execute(
        f"""COPY (FROM sales WHERE ss_ticket_number * {parts} // {last + 1} = {part} ORDER BY ss_ticket_number, ss_item_sk)
        TO '{folder}/sales/{part}.parquet' (FORMAT parquet, COMPRESSION zstd)"""
    )
written = []
for number, share in enumerate(map(float, shares), 1):
    half = max(1, round(rows * share / 2))
    changed = ", ".join(
        {"ss_quantity": f"coalesce(ss_quantity, 0) + {number} AS ss_quantity"}.get(name, name) for name in columns
    )
    moved = f"ss_ticket_number + {last * number}"
    db.execute(
        f"""COPY (
            SELECT {changed}, {number} AS changed FROM numbered WHERE n <= {half}
            UNION ALL
            SELECT {changed.replace("ss_ticket_number", f"{moved} AS ss_ticket_number")}, {number} FROM numbered WHERE n <= {half}
        ) TO '{folder}/changes_{number}.parquet' (FORMAT parquet, COMPRESSION zstd)"""
    )
    written.append({"share": float(share), "rows": 2 * half})
print(json.dumps({"rows": rows, "columns": columns, "changes": written}))
