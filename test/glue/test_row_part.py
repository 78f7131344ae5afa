from conftest import MakeFile

from sluice.row_part import SPLIT, shares_of, units_of


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
