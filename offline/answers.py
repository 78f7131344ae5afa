"""Answers of ministack in the form of AWS's service models. The gateway holds every answer against them: offline/strict/answers.ts."""

import json
import re
import sys

from ministack.core import responses
from ministack.services import athena, dynamodb, eventbridge, glue
from ministack.services.cloudformation import helpers

# Members that AWS leaves out where ministack has an empty text, and a member that no model has.
NEVER_EMPTY = ("Description", "KMSKeyArn", "LastUpdateStatusReason", "LastUpdateStatusReasonCode", "RuntimeVersionArn", "SecurityConfiguration")
NOTHING = re.compile(rb'": null|"(' + "|".join(NEVER_EMPTY).encode() + rb')": ""')


def with_values(value):
    if isinstance(value, list):
        return [with_values(item) for item in value]
    if not isinstance(value, dict):
        return value
    there = {key: with_values(inner) for key, inner in value.items() if inner is not None}
    return {key: inner for key, inner in there.items() if inner != "" or key not in NEVER_EMPTY}


def replace_everywhere(original, mended) -> None:
    """Services import the function by its name, so each has its own."""
    for module in list(sys.modules.values()):
        name = original.__name__
        if (getattr(module, "__name__", None) or "").startswith("ministack") and getattr(module, name, None) is original:
            setattr(module, name, mended)


def leave_out_what_has_no_value() -> None:
    respond = responses.json_response

    def json_response(data, *args, **kwargs):
        status, headers, body = respond(data, *args, **kwargs)
        # Few answers have one, and a large answer is not walked for nothing.
        if NOTHING.search(body) is None:
            return status, headers, body
        return respond(with_values(json.loads(body)), *args, **kwargs)

    replace_everywhere(respond, json_response)
    xml = helpers._xml

    def _xml(status, root_tag, inner):
        return xml(status, root_tag, inner.replace("<Description></Description>", ""))

    replace_everywhere(xml, _xml)


def without(operation, listed: str, member: str):
    def answer(data):
        status, headers, body = operation(data)
        told = json.loads(body)
        for item in told[listed] if isinstance(told.get(listed), list) else [told.get(listed, {})]:
            item.pop(member, None)
        return responses.json_response(told, status)

    return answer


def describe_as_the_model_has_it() -> None:
    for name, listed in (("_get_job", "Job"), ("_get_jobs", "Jobs")):
        # GetTags tells them.
        setattr(glue, name, without(getattr(glue, name), listed, "Tags"))
    # DescribeRule tells it.
    eventbridge._list_rules = without(eventbridge._list_rules, "Rules", "CreatedBy")
    describe_backups = dynamodb._describe_continuous_backups

    def with_its_own_error(data):
        status, headers, body = describe_backups(data)
        return status, headers, body.replace(b'"ResourceNotFoundException"', b'"TableNotFoundException"')

    dynamodb._describe_continuous_backups = with_its_own_error
    describe = dynamodb._table_description

    def with_warm_throughput(*args, **kwargs):
        described = describe(*args, **kwargs)
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput.html: an on-demand table's first values
        if described.get("WarmThroughput", {}).get("ReadUnitsPerSecond") == 0:
            described["WarmThroughput"].update(ReadUnitsPerSecond=12_000, WriteUnitsPerSecond=4_000)
        return described

    dynamodb._table_description = with_warm_throughput


# https://docs.aws.amazon.com/athena/latest/APIReference/API_WorkGroupConfiguration.html
WORKGROUP_SETTINGS = {"ResultConfiguration": {}, "PublishCloudWatchMetricsEnabled": False, "RequesterPaysEnabled": False}
ENGINE = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}


def tell_all_settings_of_workgroups() -> None:
    get_workgroup = athena._get_workgroup
    update_workgroup = athena._update_workgroup

    def with_all_settings(data):
        status, headers, body = get_workgroup(data)
        answer = json.loads(body)
        group = answer.get("WorkGroup")
        if group is None:
            return status, headers, body
        del group["WorkGroupConfiguration"]
        given = group["Configuration"]
        # A new account's primary workgroup leaves the settings to its clients.
        enforced = {"EnforceWorkGroupConfiguration": group["Name"] != "primary"}
        engine = {"EngineVersion": {**ENGINE, **given.get("EngineVersion", {})}}
        group["Configuration"] = {**WORKGROUP_SETTINGS, **enforced, **given, **engine}
        return responses.json_response(answer, status)

    def with_removal(data):
        answer = update_workgroup(data)
        if answer[0] == 200 and data.get("ConfigurationUpdates", {}).get("RemoveBytesScannedCutoffPerQuery"):
            athena._workgroups[data["WorkGroup"]]["Configuration"].pop("BytesScannedCutoffPerQuery", None)
        return answer

    athena._get_workgroup = with_all_settings
    athena._update_workgroup = with_removal


def mend() -> None:
    tell_all_settings_of_workgroups()
    describe_as_the_model_has_it()
    leave_out_what_has_no_value()
