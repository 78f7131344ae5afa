"""Starts ministack with three of its answers mended, which the state machine and the gateway depend on.

- A Node Lambda that throws fails with the error's own name (errorType), as on AWS, also one that runs in
  serverless-offline. ministack 1.5.33 calls every error Runtime.HandlerError, and no Retry or Catch by name would match.
- The EventBridge event of an object in a versioned bucket names the version, as S3's does.
- A Glue job keeps its limit of concurrent runs.
"""

import json
import os
import signal
import sys
import threading

from ministack.app import main
from ministack.core import lambda_runtime
from ministack.services import eventbridge, glue, lambda_svc, s3
from ministack.services.cloudformation import provisioners

MARK = "\u0001"


def name_lambda_errors() -> None:
    script = lambda_runtime._NODEJS_WORKER_SCRIPT
    thrown = 'error: String(err.message || err), trace: err.stack || ""'
    payload = "{errorType: err.name || 'Error', errorMessage: String(err.message || err), trace: String(err.stack || '').split('\\n')}"
    mended = script.replace(thrown, f'error: "\\u0001" + JSON.stringify({payload}), trace: err.stack || ""')
    if mended == script:
        raise SystemExit("offline/emulator.py does not fit this version of ministack: the Node worker has changed")
    lambda_runtime._NODEJS_WORKER_SCRIPT = mended

    def with_names(execute):
        def execute_with_names(*args):
            result = execute(*args)
            body = result.get("body")
            message = body.get("errorMessage") if isinstance(body, dict) else None
            if isinstance(message, str) and message.startswith(MARK):
                result = {**result, "body": json.loads(message[1:]), "error": True}
            return result

        return execute_with_names

    lambda_svc._execute_function_warm = with_names(lambda_svc._execute_function_warm)
    # serverless-offline's answer to an error is a success with an error's fields.
    lambda_svc._execute_function_proxy = with_names(lambda_svc._execute_function_proxy)


def name_versions() -> None:
    fired = threading.local()
    fire = s3._fire_s3_event
    dispatch = eventbridge._dispatch_event

    def fire_with_version(*args, **kwargs):
        fired.version = kwargs.get("version_id")
        try:
            return fire(*args, **kwargs)
        finally:
            fired.version = None

    def dispatch_with_version(event, *args, **kwargs):
        version = getattr(fired, "version", None)
        if version and event.get("Source") == "aws.s3":
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version
            event = {**event, "Detail": json.dumps(detail)}
        return dispatch(event, *args, **kwargs)

    s3._fire_s3_event = fire_with_version
    eventbridge._dispatch_event = dispatch_with_version


def keep_concurrency_limits() -> None:
    provisioners._GLUE_JOB_DEFAULTS["ExecutionProperty"] = {"MaxConcurrentRuns": 1}
    create = glue._create_job

    def create_with_limit(data):
        answer = create(data)
        if data.get("ExecutionProperty") and data.get("Name") in glue._jobs:
            glue._jobs[data["Name"]]["ExecutionProperty"] = data["ExecutionProperty"]
        return answer

    glue._create_job = create_with_limit


def end_with_parent() -> None:
    """Standard input ends with whoever started this: then the whole group goes, Lambda workers and all."""

    def watch():
        sys.stdin.buffer.read()
        os.killpg(os.getpgid(0), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


end_with_parent()
name_lambda_errors()
keep_concurrency_limits()
name_versions()
main()
