"""Runs the reader of published keys without Spark."""

from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from sluice.published import Setup, names_among, read_keys


@pytest.mark.parametrize(("name", "positions"), [("n", [0, 1]), ("File_Row_Number", [None, None])])
def test_positions_are_unknown_in_an_object_from_which_duckdb_cannot_take_rows_by_position(
    name: str, positions: list[int | None], tmp_path: Path
) -> None:
    path = tmp_path / "object.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"id": [7, 8], name: [1, 2]}), path)
    columns = {"id": pyarrow.int64(), "_path": pyarrow.string(), "_is_fixed": pyarrow.bool_(), "_row": pyarrow.int64()}
    setup: Setup = {
        "arrow_schema": pyarrow.schema(list(columns.items())).serialize().to_pybytes(),
        "columns": ["id"],
        "ids": {},
        "region": None,
    }
    unit = [[f"file://{path}"], [path.stat().st_size], ["[[]]"], [False], ["null"]]
    units = pyarrow.RecordBatch.from_arrays([pyarrow.array(value) for value in unit], names=list("abcde"))
    (rows,) = read_keys([units], setup)
    assert rows.column("id").to_pylist() == [7, 8]
    assert rows.column("_row").to_pylist() == positions


RENAMED = {"user_id": ["id"], "id": ["n"]}
NUMBERS = {"user_id": pyarrow.int64(), "id": pyarrow.int64()}


@pytest.mark.parametrize(
    ("there", "names"),
    [
        ({"id": pyarrow.int64(), "n": pyarrow.int64()}, ["id", "n"]),
        ({"id": pyarrow.int64(), "user_id": pyarrow.int64()}, ["user_id", "id"]),
        ({"id": pyarrow.int32()}, ["id", None]),
        ({"user_id": pyarrow.string(), "id": pyarrow.timestamp("us")}, [None, None]),
    ],
)
def test_a_tombstone_is_read_by_the_names_and_types_that_its_columns_had(
    there: dict[str, pyarrow.DataType], names: list[str | None]
) -> None:
    fields, schema = (pyarrow.schema(list(of.items())) for of in (there, NUMBERS))
    assert names_among(fields, schema, ["user_id", "id"], RENAMED) == names
