"""Shared by the tests: a file as the job receives it, and one Spark session."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from sluice.description import File

MakeFile = Callable[..., File]


@pytest.fixture
def make_file(tmp_path: Path) -> MakeFile:
    """Writes a file and describes it."""
    made = 0

    def make(content: bytes, compression: str | None = None, layout: str = "lines", number: int = 0) -> File:
        nonlocal made
        path = tmp_path / f"raw-{made}"
        made += 1
        path.write_bytes(content)
        return {
            "file": number,
            "object": f"test/{number}",
            "version": "v",
            "size": len(content),
            "unpacked": len(content),
            "layout": layout,  # type: ignore[typeddict-item]
            "fault": None,
            "compression": compression,  # type: ignore[typeddict-item]
            "header": None,
            "body": None,
            "uri": f"file://{path}",
        }

    return make


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """As offline/spark.ts sets one up: PYSPARK_SUBMIT_ARGS comes from there."""
    assert "PYSPARK_SUBMIT_ARGS" in os.environ
    session = SparkSession.builder.appName("sluice").getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()
