/** Grants that no test run can use, or that can name no resource; each with why it is there all the same. Reviewed with every change. */
export const exceptions: readonly {
  readonly of: 'all' | readonly string[];
  readonly actions: readonly string[];
  /** Part of the resource. */
  readonly resource: string;
  readonly why: string;
}[] = [
  {
    of: 'all',
    actions: ['logs:CreateLogStream', 'logs:CreateLogGroup', 'logs:PutLogEvents'],
    resource: ':log-group:/aws/lambda/',
    why: 'Lambda itself writes the logs',
  },
  {
    of: 'all',
    actions: ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'],
    resource: '*',
    why: 'X-Ray knows no resources, and the local stage has no traces',
  },
  {
    of: ['dispatch'],
    actions: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'],
    resource: '',
    why: 'Lambda itself polls the queue',
  },
];
