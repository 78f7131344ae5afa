"""The Data Catalog where ministack keeps, merges or ignores what Glue does not: https://docs.aws.amazon.com/glue/latest/webapi/."""

import json
import re

from ministack.core.responses import error_response_json, json_response
from ministack.services import glue

# Where a request names a database or a table.
NAMED = {
    "CreateDatabase": ("DatabaseInput",),
    "UpdateDatabase": ("DatabaseInput",),
    "CreateTable": ("TableInput",),
    "UpdateTable": ("TableInput",),
}
BY_NAME = ("GetDatabase", "DeleteDatabase", "UpdateDatabase", "GetTable", "DeleteTable")


def fold(action, data):
    """API_DatabaseInput.html, API_TableInput.html: names are folded to lower case."""
    for member in ("DatabaseName", "TableName", *(("Name",) if action in BY_NAME else ())):
        if isinstance(data.get(member), str):
            data[member] = data[member].lower()
    for member in NAMED.get(action, ()):
        if isinstance(data.get(member), dict) and isinstance(data[member].get("Name"), str):
            data[member]["Name"] = data[member]["Name"].lower()
    if action == "BatchDeleteTable":
        data["TablesToDelete"] = [name.lower() for name in data.get("TablesToDelete", [])]


def fold_names() -> None:
    handle = glue._handle_request_sync

    def handle_folded(method, path, headers, body, query_params):
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        try:
            data = json.loads(body) if body else {}
        except ValueError:
            return handle(method, path, headers, body, query_params)
        fold(action, data)
        return handle(method, path, headers, json.dumps(data).encode(), query_params)

    glue._handle_request_sync = handle_folded


# The members of the inputs, with what stands for one that is not given.
OF_DATABASE = {"Description": None, "LocationUri": None, "Parameters": None}
OF_TABLE = {
    "Description": None,
    "Owner": None,
    "LastAnalyzedTime": None,
    "Retention": None,
    "StorageDescriptor": {},
    "PartitionKeys": [],
    "ViewOriginalText": None,
    "ViewExpandedText": None,
    "TableType": "EXTERNAL_TABLE",
    "Parameters": {},
    "TargetTable": None,
}


def keep_inputs_whole() -> None:
    """API_UpdateTable.html, API_UpdateDatabase.html: the input is the new definition, and what it does not have is gone."""
    create_table = glue._create_table
    update_table = glue._update_table
    update_database = glue._update_database

    def replaced(kept, given, members):
        for member, otherwise in members.items():
            value = given.get(member)
            kept[member] = otherwise if value is None else value

    def of_table(operation):
        def change(data):
            if data.get("OpenTableFormatInput"):
                what = "OpenTableFormatInput: create the table with its metadata, and name them in the parameters"
                return error_response_json("InvalidInputException", f"NOT_SUPPORTED: the local Glue does not take {what}", 400)
            answer = operation(data)
            if answer[0] == 200:
                given = data["TableInput"]
                replaced(glue._tables[f"{data['DatabaseName']}/{given['Name']}"], given, OF_TABLE)
            return answer

        return change

    def change_database(data):
        answer = update_database(data)
        if answer[0] == 200:
            replaced(glue._databases[data["Name"]], data["DatabaseInput"], OF_DATABASE)
        return answer

    glue._create_table = of_table(create_table)
    glue._update_table = of_table(update_table)
    glue._update_database = change_database


def pattern_of(expression):
    """API_GetTables.html says a regular expression. As in Hive, a star alone stands for any characters, and awswrangler sends such ones."""
    return re.compile(re.sub(r"(?<![.\])])\*", ".*", expression), re.IGNORECASE)


def list_in_order() -> None:
    """API_GetTables.html: a database that does not exist is an error. Lists are in the order of names."""

    def get_tables(data):
        database = data.get("DatabaseName")
        if database not in glue._databases:
            return error_response_json("EntityNotFoundException", f"Database {database} not found", 400)
        tables = sorted((t for t in list(glue._tables.values()) if t["DatabaseName"] == database), key=lambda t: t["Name"])
        if data.get("Expression"):
            try:
                pattern = pattern_of(data["Expression"])
            except re.error:
                return error_response_json("InvalidInputException", f"{data['Expression']} is not a regular expression", 400)
            tables = [t for t in tables if pattern.fullmatch(t["Name"])]
        return json_response({"TableList": tables})

    def get_databases(_):
        return json_response({"DatabaseList": sorted(list(glue._databases.values()), key=lambda d: d["Name"])})

    glue._get_tables = get_tables
    glue._get_databases = get_databases


def leave_out_missing_partitions() -> None:
    """API_BatchGetPartition.html: what does not exist is not in the answer. Unprocessed keys are asked for again, so clients would never end."""
    batch_get = glue._batch_get_partition

    def batch_get_partition(data):
        if f"{data.get('DatabaseName')}/{data.get('TableName')}" not in glue._tables:
            return error_response_json("EntityNotFoundException", f"Table {data.get('TableName')} not found", 400)
        status, _, body = batch_get(data)
        return json_response({**json.loads(body), "UnprocessedKeys": []}, status)

    glue._batch_get_partition = batch_get_partition


def mend() -> None:
    keep_inputs_whole()
    list_in_order()
    leave_out_missing_partitions()
    fold_names()
