import json

from conftest import MakeFile

from sluice.row_part import SPLIT, described, shares_of, units_of


def test_a_file_of_lines_is_many_units_and_an_archive_or_a_document_is_one(make_file: MakeFile) -> None:
    lines, archive, document, empty, refused = (
        make_file(b"", None, "lines", 0),
        make_file(b"", "gzip", "lines", 1),
        make_file(b"", None, "document", 2),
        make_file(b"", None, "empty", 3),
        make_file(b"", None, "refused", 4),
    )
    for file in (lines, archive, document):
        file["size"] = SPLIT + 5
    assert units_of([lines, archive, document, empty, refused]) == [
        (0, 0, SPLIT),
        (0, SPLIT, SPLIT + 5),
        (1, 0, SPLIT + 5),
        (2, 0, SPLIT + 5),
        (4, 0, 0),
    ]


def test_tasks_take_all_units_in_order_and_leave_no_core_idle() -> None:
    units = [(number, 0, 4 * 2**20) for number in range(8)]
    tasks = shares_of(units, 4)
    assert [unit for task in tasks for unit in task] == units
    assert [len(task) for task in tasks] == [2, 2, 2, 2]


def test_many_small_files_are_a_task_together() -> None:
    assert len(shares_of([(number, 0, 1000) for number in range(100)], 2)) < 10


def test_a_unit_has_the_row_groups_of_its_part_and_not_those_of_the_whole_file(make_file: MakeFile) -> None:
    table = make_file(b"", None, "table", 0)
    table["groups"] = [{"row": 0, "rows": 5, "start": 4, "end": 50}, {"row": 5, "rows": 5, "start": 50, "end": 90}]
    assert [group["row"] for group in json.loads(described(table, [], 50, 90))["groups"]] == [5]
    assert json.loads(described(table, [], 4, 90)) == table


def test_a_unit_has_the_header_that_many_files_share(make_file: MakeFile) -> None:
    file = make_file(b"", None, "lines", 0)
    file["header"] = 1
    assert json.loads(described(file, [["a"], ["b", "c"]], 0, 1))["header"] == ["b", "c"]
    file["header"] = None
    assert json.loads(described(file, [["a"]], 0, 1))["header"] is None
