"""Starts ministack for its gateway alone, with some of its answers mended, which the state machine and the gateway depend on.

- It answers only calls that bring the gateway's secret, and names queues by the gateway: no call goes past it.
- A Node Lambda that throws fails with the error's own name (errorType), as on AWS, also one that runs in
  serverless-offline. ministack 1.5.33 calls every error Runtime.HandlerError, and no Retry or Catch by name would match.
- The EventBridge event of an object in a versioned bucket names the version, as S3's does.
- A Glue job keeps its limit of concurrent runs.
- An alarm may be of an expression over metrics. It is kept, with the first of its metrics. ministack refuses to deploy it.
- The log lines of a Node Lambda belong to the invocation that wrote them. ministack takes lines for 5 ms after an answer,
  and gives what comes later to the next invocation.
- Executions end, and payloads are bounded, as on AWS: see executions.py.
- Answers have the form of AWS's models: see answers.py.
- S3 and the Data Catalog are as strict as on AWS: see objects.py and catalog.py.
"""

import hmac
import json
import os
import queue
import re
import signal
import sys
import threading
import time
import urllib.parse

import answers
import catalog
import executions
import objects
from ministack import app as ministack_app
from ministack.core import lambda_runtime
from ministack.services import eventbridge, glue, lambda_svc, s3, sqs
from ministack.services.cloudformation import provisioners

MARK = "\u0001"
END_OF_LOGS = "\u0001end\u0001"


def mend(what: str, old: str, new: str) -> str:
    mended = what.replace(old, new)
    if mended == what:
        raise SystemExit("offline/emulator.py does not fit this version of ministack: the Node worker has changed")
    return mended


def answer_gateway_only() -> None:
    answer = ministack_app.app
    # Not for the functions, which get this process's environment.
    secret = os.environ.pop("SLUICE_GATEWAY_SECRET").encode()

    async def guarded(scope, receive, send):
        if scope["type"] == "lifespan":
            return await answer(scope, receive, send)
        given = dict(scope["headers"]).get(b"x-sluice-secret", b"")
        if scope["type"] == "http" and hmac.compare_digest(given, secret):
            return await answer(scope, receive, send)
        if scope["type"] == "websocket":
            await receive()
            return await send({"type": "websocket.close", "code": 1008})
        await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"this is for the gateway only\n"})

    ministack_app.app = guarded


def name_lambda_errors() -> None:
    thrown = 'error: String(err.message || err), trace: err.stack || ""'
    payload = "{errorType: err.name || 'Error', errorMessage: String(err.message || err), trace: String(err.stack || '').split('\\n')}"
    named = f'error: "\\u0001" + JSON.stringify({payload}), trace: err.stack || ""'
    lambda_runtime._NODEJS_WORKER_SCRIPT = mend(lambda_runtime._NODEJS_WORKER_SCRIPT, thrown, named)

    def with_names(execute):
        def execute_with_names(*args):
            result = execute(*args)
            body = result.get("body")
            message = body.get("errorMessage") if isinstance(body, dict) else None
            if isinstance(message, str) and message.startswith(MARK):
                result = {**result, "body": json.loads(message[1:]), "error": True}
            # An error outside of the handler, such as code that cannot be loaded: its name is in the first line of its trace.
            elif isinstance(message, str) and set(body) == {"errorMessage", "errorType", "trace"}:
                name = str(next(iter(body["trace"]), "")).partition(":")[0]
                known = re.fullmatch(r"[\w.]+", name)
                result = {**result, "body": {**body, "errorType": name if known else "Error"}, "error": True}
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


def name_queues_by_gateway() -> None:
    """A queue's URL is where SDKs send its calls to."""
    gateway = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
    sqs.DEFAULT_HOST, sqs.DEFAULT_PORT = gateway.hostname, str(gateway.port)
    sqs._CANONICAL_NETLOC = gateway.netloc


def keep_concurrency_limits() -> None:
    provisioners._GLUE_JOB_DEFAULTS["ExecutionProperty"] = {"MaxConcurrentRuns": 1}
    create = glue._create_job

    def create_with_limit(data):
        answer = create(data)
        if data.get("ExecutionProperty") and data.get("Name") in glue._jobs:
            glue._jobs[data["Name"]]["ExecutionProperty"] = data["ExecutionProperty"]
        return answer

    glue._create_job = create_with_limit


def keep_alarms_of_expressions() -> None:
    record = provisioners._cw_metric_alarm_record

    def with_first_metric(name, props):
        if not props.get("Metrics"):
            return record(name, props)
        measured = next(metric["MetricStat"] for metric in props["Metrics"] if "MetricStat" in metric)
        plain = {key: value for key, value in props.items() if key != "Metrics"}
        return record(name, {**plain, **measured["Metric"], "Period": measured["Period"], "Statistic": measured["Stat"]})

    provisioners._cw_metric_alarm_record = with_first_metric


def end_logs_with_their_invocation() -> None:
    """The worker writes a mark after its last line and before its answer; the lines before the mark are its log."""
    answers = "const _realStdoutWrite = process.stdout.write.bind(process.stdout);"
    # The first answer is that it has started: its lines go to the first invocation, as on AWS.
    marked = """
const _answer = process.stdout.write.bind(process.stdout);
let _answers = 0;
const _realStdoutWrite = (line) =>
  _answers++ === 0 ? _answer(line) : _stderrWrite("\\u0001end\\u0001\\n", () => _answer(line));
"""
    lambda_runtime._NODEJS_WORKER_SCRIPT = mend(lambda_runtime._NODEJS_WORKER_SCRIPT, answers, marked)
    drain_other = lambda_runtime.Worker._drain_stderr_bounded

    def drain(worker, *args, **kwargs) -> str:
        if not worker.config.get("Runtime", "").startswith("nodejs"):
            return drain_other(worker, *args, **kwargs)
        lines = []
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            # A worker that was killed writes no mark. Asked before its last lines are taken.
            is_over = not worker._stderr_thread.is_alive()
            try:
                line = worker._stderr_queue.get(block=not is_over, timeout=0.05)
            except queue.Empty:
                if is_over:
                    break
                continue
            text, mark, _ = line.partition(END_OF_LOGS)
            if text or not mark:
                lines.append(text)
            if mark:
                break
        return "\n".join(lines)

    lambda_runtime.Worker._drain_stderr_bounded = drain


def end_with_parent() -> None:
    """Standard input ends with the starting process: then the whole group ends, including Lambda workers."""

    def watch():
        sys.stdin.buffer.read()
        os.killpg(os.getpgid(0), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    end_with_parent()
    answer_gateway_only()
    name_lambda_errors()
    end_logs_with_their_invocation()
    keep_concurrency_limits()
    keep_alarms_of_expressions()
    name_queues_by_gateway()
    name_versions()
    executions.mend()
    answers.mend()
    objects.mend()
    catalog.mend()
    ministack_app.main()
