/** Step Functions in memory: tests run executions and end them. */
import {
  DescribeExecutionCommand,
  type ExecutionStatus,
  ListExecutionsCommand,
  SendTaskSuccessCommand,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import { Operations } from './clients.ts';
import { awsError } from './errors.ts';

export interface Execution {
  readonly arn: string;
  readonly name: string;
  readonly stateMachineArn: string;
  readonly input: string;
  status: ExecutionStatus;
  readonly started: Date;
}

const ok = { $metadata: { httpStatusCode: 200 } };
const failure = (name: string, message: string): Error => awsError('states', name, message);

export class MemoryStepFunctions {
  /** By ARN, in the order of their start. */
  readonly executions = new Map<string, Execution>();

  private readonly now: () => number;

  constructor(now: () => number = Date.now) {
    this.now = now;
  }

  static readonly operations = new Operations<MemoryStepFunctions>('states')
    .on(StartExecutionCommand, 'StartExecution', (sfn, input) => {
      const { stateMachineArn = '', input: text = '{}' } = input;
      const name = input.name ?? `made-${sfn.executions.size + 1}`;
      if (!/^[^\s<>{}[\]?*"#%\\^|~`$&,;:/\p{Cc}]{1,80}$/u.test(name))
        throw failure('InvalidName', `Invalid Name: '${name}'`);
      if (Buffer.byteLength(text) > 262_144)
        throw failure('InvalidExecutionInput', 'The input is longer than 262144 bytes');
      const arn = `${stateMachineArn.replace(':stateMachine:', ':execution:')}:${name}`;
      const known = sfn.executions.get(arn);
      // https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html: idempotent while it runs.
      if (known?.status === 'RUNNING' && known.input === text)
        return { ...ok, executionArn: arn, startDate: known.started };
      if (known) throw failure('ExecutionAlreadyExists', `Execution Already Exists: '${arn}'`);
      const started = new Date(sfn.now());
      sfn.executions.set(arn, { arn, name, stateMachineArn, input: text, status: 'RUNNING', started });
      return { ...ok, executionArn: arn, startDate: started };
    })
    .on(DescribeExecutionCommand, 'DescribeExecution', (sfn, input) => {
      const { arn, name, status, stateMachineArn, input: text, started } = sfn.execution(input.executionArn);
      return { ...ok, executionArn: arn, name, status, stateMachineArn, input: text, startDate: started };
    })
    .on(StopExecutionCommand, 'StopExecution', (sfn, input) => {
      const execution = sfn.execution(input.executionArn);
      if (execution.status === 'RUNNING') execution.status = 'ABORTED';
      return { ...ok, stopDate: new Date(sfn.now()) };
    })
    .on(ListExecutionsCommand, 'ListExecutions', (sfn, input) => ({
      ...ok,
      executions: [...sfn.executions.values()]
        .filter(
          (e) =>
            e.stateMachineArn === input.stateMachineArn &&
            (input.statusFilter === undefined || e.status === input.statusFilter),
        )
        .reverse()
        .map(({ arn, name, stateMachineArn, status, started }) => ({
          executionArn: arn,
          name,
          stateMachineArn,
          status,
          startDate: started,
        })),
    }))
    .on(SendTaskSuccessCommand, 'SendTaskSuccess', () => ({ ...ok }));

  /** Ends an execution. */
  end(arn: string, status: ExecutionStatus): void {
    this.execution(arn).status = status;
  }

  private execution(arn: string | undefined): Execution {
    if (!/^arn:[^:]+:states:[^:]*:\d*:execution:[^:]+:[^:]+$/.test(arn ?? ''))
      throw failure('InvalidArn', `Invalid Arn: '${arn}'`);
    const execution = this.executions.get(arn ?? '');
    if (execution === undefined) throw failure('ExecutionDoesNotExist', `Execution Does Not Exist: '${arn}'`);
    return execution;
  }
}
