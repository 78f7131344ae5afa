"""A catalog of pyiceberg with one table, whose files are in a folder: `FOLDER/bucket/key` stands for s3://bucket/key.

    folderCatalog.py TABLE METADATA_FILE

registers the table in the catalog `folder`. The environment has its settings:
PYICEBERG_CATALOG__FOLDER__TYPE=sql, …__URI=sqlite:///FOLDER/catalog.db, …__PY_IO_IMPL=folderCatalog.FolderIO, FOLDER.
"""

import os
import sys

from pyarrow.fs import LocalFileSystem, SubTreeFileSystem
from pyiceberg.io.pyarrow import PyArrowFileIO


class FolderIO(PyArrowFileIO):
    def _initialize_fs(self, scheme, netloc=None):
        return SubTreeFileSystem(os.environ["FOLDER"], LocalFileSystem()) if scheme == "s3" else LocalFileSystem()


if __name__ == "__main__":
    from pyiceberg.catalog import load_catalog

    _, name, metadata = sys.argv
    catalog = load_catalog("folder")
    catalog.create_namespace_if_not_exists(name.split(".")[0])
    if catalog.table_exists(name):
        catalog.drop_table(name)
    catalog.register_table(name, metadata)
