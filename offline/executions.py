"""Ends executions and bounds payloads as AWS Step Functions and Lambda do, inside ministack.

ministack 1.5.33 enforces a Task's TimeoutSeconds in whole seconds of the definition and nothing else. Here:

- A state machine's TimeoutSeconds ends an execution: TIMED_OUT, with its event.
- A Task's TimeoutSeconds may be an expression (JSONata) or a path.
- An execution that has ended does nothing more and keeps its status. The function that it waits for runs on, as on AWS.
- The history has the events of AWS (a call of a function has three), and 25,000 of them at most.
- An input, result or output over 256 KiB is States.DataLimitExceeded. States.ALL catches neither it nor States.Runtime.
- A function's answer over 6 MB is Function.ResponseSizeTooLarge.
- StartExecution with the name and input of a running execution answers as the first time.

SFN_WAIT_SCALE shortens Wait states and pauses before a retry. It leaves timeouts alone: they are about work, which takes
as long as it takes.

https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

import collections
import contextvars
import json
import threading

from ministack.services import lambda_svc
from ministack.services import stepfunctions as sfn

HISTORY_EVENTS = 25_000
PAYLOAD_BYTES = 256 * 1024
ANSWER_BYTES = 6 * 1024 * 1024 + 100

ENDS = {"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"}

# By execution: whoever sets its last status holds it. EventBridge is told of an end, which may take a while.
ending = collections.defaultdict(threading.Lock)


class Ended(BaseException):
    """The execution of this thread has ended. No Catch of a state machine and no handler of ministack's sees it."""


def mend() -> None:
    sfn._add_event = with_history_of_aws(sfn._add_event)
    sfn._fail_execution = once(sfn._fail_execution)
    sfn._run_execution = with_timeout(sfn._run_execution)
    sfn._execute_task = with_timeout_expression(sfn._execute_task)
    sfn._invoke_resource = within_payload(sfn._invoke_resource)
    sfn._error_matches = without_terminal_errors(sfn._error_matches)
    sfn._start_execution = idempotent(sfn._start_execution)
    lambda_svc._execute_function_warm = within_answer(lambda_svc._execute_function_warm)
    lambda_svc._execute_function_proxy = within_answer(lambda_svc._execute_function_proxy)
    threading.excepthook = silent_about_ended(threading.excepthook)


def with_history_of_aws(add_event):
    def add(execution, event_type, details=None):
        if event_type in ENDS:
            return add_event(execution, event_type, details)
        if event_type.endswith("StateExited"):
            exited = details["stateExitedEventDetails"]
            require_fit(exited["name"], exited["output"])
        for of_aws, its_details in events_of_aws(event_type, details):
            if execution["status"] != "RUNNING":
                raise Ended
            if len(execution["events"]) >= HISTORY_EVENTS - 1:
                cause = f"The execution reached the maximum number of history events ({HISTORY_EVENTS})."
                sfn._fail_execution(execution, "States.Runtime", cause)
                raise Ended
            added = add_event(execution, of_aws, its_details)
        return added

    return add


def events_of_aws(event_type, details):
    """A function is Scheduled, Started, then Succeeded, Failed or TimedOut; so is a task, under its own name."""
    if event_type not in ("TaskScheduled", "TaskSucceeded", "TaskFailed"):
        return [(event_type, details)]
    (inner,) = details.values()
    resource = inner.get("resource", "")
    is_function = resource.startswith("arn:aws:lambda:")
    prefix, field = ("LambdaFunction", "lambdaFunction") if is_function else ("Task", "task")
    what = event_type[len("Task") :]
    if what == "Failed" and inner.get("error") == "States.Timeout":
        what = "TimedOut"
    of_aws = {key: value for key, value in inner.items() if key != "resourceType" or not is_function}
    if is_function and what != "Scheduled":
        of_aws.pop("resource", None)
    events = [(f"{prefix}{what}", {f"{field}{what}EventDetails": of_aws})]
    if what == "Scheduled":
        started = None if is_function else {"taskStartedEventDetails": {"resource": resource}}
        events.append((f"{prefix}Started", started))
    return events


def once(fail_execution):
    def fail(execution, error, cause):
        with ending[execution["executionArn"]]:
            if execution["status"] == "RUNNING":
                fail_execution(execution, error, cause)

    return fail


def with_timeout(run_execution):
    def run(exec_arn):
        execution = sfn._executions.get(exec_arn)
        seconds = timeout_of(execution) if execution else None
        context = contextvars.copy_context()
        timer = threading.Timer(seconds or 0, context.run, args=(time_out, execution))
        timer.daemon = True
        if seconds is not None:
            timer.start()
        try:
            run_execution(exec_arn)
        except Ended:
            pass
        finally:
            timer.cancel()

    return run


def timeout_of(execution):
    machine = sfn._state_machines.get(execution["stateMachineArn"])
    try:
        return json.loads(machine["definition"]).get("TimeoutSeconds") if machine else None
    except json.JSONDecodeError:
        return None


def time_out(execution) -> None:
    with ending[execution["executionArn"]]:
        if execution["status"] != "RUNNING":
            return
        # DescribeExecution has no error name: States.Timeout is only in the history.
        execution["status"] = "TIMED_OUT"
        execution["stopDate"] = sfn.now_iso()
        details = {"executionTimedOutEventDetails": {"error": "States.Timeout"}}
        sfn._add_event(execution, "ExecutionTimedOut", details)
        sfn._emit_execution_status_event(execution)


def with_timeout_expression(execute_task):
    def execute(state, raw_input, execution, ctx):
        if isinstance(state.get("TimeoutSeconds"), str):
            seconds = sfn._jsonata_state_field(state, "TimeoutSeconds", "number", raw_input, ctx)
            state = {**state, "TimeoutSeconds": seconds}
        elif "TimeoutSecondsPath" in state:
            data = sfn._apply_input_path(state, raw_input, ctx)
            state = {**state, "TimeoutSeconds": sfn._resolve_path_or_ctx(state["TimeoutSecondsPath"], data, ctx)}
        return execute_task(state, raw_input, execution, ctx)

    return execute


def within_payload(invoke_resource):
    def invoke(resource, data):
        require_fit(resource, data)
        result = invoke_resource(resource, data)
        require_fit(resource, result)
        return result

    return invoke


def require_fit(who, data) -> None:
    """`data` is a value, or JSON as text."""
    if isinstance(data, str) and len(data) <= PAYLOAD_BYTES // 4:
        return
    value = data
    if isinstance(data, str):
        try:
            value = json.loads(data)
        except json.JSONDecodeError:
            pass
    size = len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass"))
    if size > PAYLOAD_BYTES:
        cause = f"The state/task '{who}' returned a result with a size exceeding the maximum number of bytes service limit."
        raise sfn._ExecutionError("States.DataLimitExceeded", cause)


def without_terminal_errors(error_matches):
    def matches(error_equals, error):
        if error in ("States.DataLimitExceeded", "States.Runtime"):
            return error in error_equals
        return error_matches(error_equals, error)

    return matches


def idempotent(start_execution):
    def start(data):
        machine = sfn._resolve_state_machine_arn(data.get("stateMachineArn", "").split("#")[0])
        if machine is not None and data.get("name"):
            prefix = machine.replace(":stateMachine:", ":execution:", 1)
            known = sfn._executions.get(f"{prefix}:{data['name']}")
            if known and known["status"] == "RUNNING" and known["input"] == data.get("input", "{}"):
                return sfn.json_response({"executionArn": known["executionArn"], "startDate": known["startDate"]})
        return start_execution(data)

    return start


def within_answer(execute_function):
    def execute(*args, **kwargs):
        result = execute_function(*args, **kwargs)
        body = result.get("body")
        if result.get("error") or body is None:
            return result
        text = body if result.get("raw_payload") else json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        size = len(text.encode("utf-8", "surrogatepass"))
        if size <= ANSWER_BYTES:
            return result
        message = f"Response payload size ({size} bytes) exceeded maximum allowed payload size (6291556 bytes)."
        fault = {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}
        return {**result, "body": fault, "error": True}

    return execute


def silent_about_ended(report):
    """A branch's thread ends with its execution, which is not a fault."""

    def hook(args):
        if not issubclass(args.exc_type, Ended):
            report(args)

    return hook
