"""
Reads a pinned snapshot of an Iceberg table into data frames for training and test, and writes them.

    training_set.py --table sluice_prod.visits --tag model-2025-10 --key id --out data/

The same tag gives the same rows in the same frames, on any machine and at any time: a tag keeps its snapshot, and a row's frame
follows from its key alone.
"""

import argparse
import hashlib
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyiceberg.catalog import load_catalog
from pyiceberg.table import Table


def read_pinned(table: Table, tag: str, columns: list[str] | None = None, rows: str = "true") -> pa.Table:
    """The rows of the tagged snapshot that meet a condition, such as "day = '06'". Only their objects are read."""
    snapshot = table.snapshot_by_name(tag)
    if snapshot is None:
        raise SystemExit(f"the table has no tag {tag}; it has: {', '.join(sorted(table.refs()))}")
    fields = tuple(columns) if columns else ("*",)
    return table.scan(row_filter=rows, selected_fields=fields, snapshot_id=snapshot.snapshot_id).to_arrow()


def is_in_test(key: tuple, share: float) -> bool:
    """A row with this key is in the test frame. New rows and other columns move no row from one frame to the other."""
    digest = hashlib.sha256(json.dumps(key, default=str, ensure_ascii=False).encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def split(rows: pa.Table, key: list[str], share: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and test frame. Rows are in the order of their keys, because the order of objects means nothing."""
    rows = rows.sort_by([(name, "ascending") for name in key])
    keys = zip(*(rows[name].to_pylist() for name in key))
    in_test = pa.array([is_in_test(values, share) for values in keys], pa.bool_())
    in_training = pa.array([not value for value in in_test.to_pylist()], pa.bool_())
    return rows.filter(in_training).to_pandas(), rows.filter(in_test).to_pandas()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--table", required=True, help="database.table")
    options.add_argument("--tag", required=True)
    options.add_argument("--key", required=True, help="the contract's dedupe key, with commas between its columns")
    options.add_argument("--columns", help="with commas between them; all by default")
    options.add_argument("--rows", default="true", help="a condition, such as \"day = '06'\"")
    options.add_argument("--share", type=float, default=0.2, help="of the test frame")
    options.add_argument("--catalog", default="glue", help="glue, or one of ~/.pyiceberg.yaml")
    options.add_argument("--out", type=Path, required=True, help="a folder for train.parquet and test.parquet")
    given = options.parse_args()
    if not 0 < given.share < 1:
        options.error(f"--share {given.share}: must be between 0 and 1")

    catalog = load_catalog(given.catalog, **({"type": "glue"} if given.catalog == "glue" else {}))
    table = catalog.load_table(given.table)
    key = given.key.split(",")
    columns = [*dict.fromkeys([*given.columns.split(","), *key])] if given.columns else None
    train, test = split(read_pinned(table, given.tag, columns, given.rows), key, given.share)
    given.out.mkdir(parents=True, exist_ok=True)
    train.to_parquet(given.out / "train.parquet")
    test.to_parquet(given.out / "test.parquet")
    snapshot = table.snapshot_by_name(given.tag)
    print(json.dumps({"snapshot": str(snapshot.snapshot_id), "train": len(train), "test": len(test)}))


if __name__ == "__main__":
    main()
