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
    resource: ':log-group:/aws',
    why: 'Lambda and Glue themselves write the logs',
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
  {
    of: [
      'claimBatch',
      'checkCrawler',
      'transformEmbedded',
      'startGlueJob',
      'publish',
      'completeBatch',
      'failBatch',
      'recover',
      'replaceRows',
      'checkValidation',
      'glueJob',
    ],
    actions: ['s3:ListBucket'],
    resource: 'sluice-',
    why: 'S3 answers 404 for a key that is not there only to who may list the bucket; with 403 a missing object would be a failure',
  },
  {
    of: ['sweep', 'recover'],
    actions: [
      'dynamodb:BatchGetItem',
      'dynamodb:PutItem',
      'dynamodb:DeleteItem',
      'dynamodb:ConditionCheckItem',
      's3:ListBucket',
      's3:GetObject',
      's3:PutObject',
      's3:DeleteObject',
      'glue:GetTable',
      'glue:BatchCreatePartition',
      'glue:BatchDeletePartition',
      'events:PutEvents',
    ],
    resource: '',
    why: 'end a batch as FailBatch does, with the same code, when that one could not; the tests mostly run them in their own process',
  },
  {
    of: ['publish'],
    actions: ['s3:DeleteObject'],
    resource: '/',
    why: 'takes back what it published when its lease was taken meanwhile, and drops what an interrupted publish left; the tests do both in their own process',
  },
  {
    of: ['repairPartitions', 'completeBatch', 'failBatch', 'recover', 'sweep'],
    actions: ['glue:CreateTable', 'glue:UpdateTable'],
    resource: '',
    why: 'make a table again that somebody has dropped since Publish; the tests do so in memory',
  },
  {
    of: ['claimBatch', 'completeBatch'],
    actions: ['states:StartExecution'],
    resource: '',
    why: 'start an execution for files that came while they released the lease; rarely does a file come in that moment',
  },
  {
    of: ['claimBatch'],
    actions: ['s3:GetObject'],
    resource: '/manifests/*',
    why: 'continues a claim that was interrupted, with its own files',
  },
  {
    of: ['dispatch'],
    actions: ['dynamodb:DeleteItem'],
    resource: '',
    why: 'drops the entry of a file that failed when its bytes are put again, which the tests bring about in memory',
  },
  {
    of: ['dispatch', 'completeBatch', 'failBatch', 'recover'],
    actions: ['s3:ListBucketVersions'],
    resource: '-raw-',
    why: 'ask S3 for the order of versions of which one was found without an event, also for a ledger that was restored',
  },
  {
    of: ['transformEmbedded', 'startGlueJob'],
    actions: ['dynamodb:Query'],
    resource: '',
    why: 'ask for attempts that were taken back, where a contract looks for duplicates among published rows',
  },
  {
    of: ['failBatch'],
    actions: ['s3:PutObject'],
    resource: '/manifests/*',
    why: 'notes that the old objects of a correction may be gone, where it takes a committed one to its end',
  },
  {
    of: ['checkValidation'],
    actions: ['s3:PutObject'],
    resource: '/manifests/*',
    why: 'lists files that would lose most of their rows, which the tests bring about in memory',
  },
  {
    of: ['completeBatch'],
    actions: ['dynamodb:PutItem'],
    resource: '',
    why: 'queues a version in place of one that was gone before it was read, which the tests bring about in memory',
  },
  {
    of: ['failBatch', 'recover', 'sweep'],
    actions: ['dynamodb:Query'],
    resource: '/index/',
    why: 'look for the files of an attempt whose manifest somebody has deleted, which the tests bring about in memory',
  },
  {
    of: ['reconcile'],
    actions: ['dynamodb:PutItem'],
    resource: '',
    why: 'notes at which dataset it has stopped for want of time',
  },
  {
    of: ['reconcile'],
    actions: ['s3:GetObject', 's3:DeleteObject'],
    resource: '/',
    why: 'looks for objects that are missing and removes those that do not count; the tests do both in their own process',
  },
  {
    of: ['transformEmbedded', 'glueJob'],
    actions: ['s3:GetObject', 's3:ListBucket'],
    resource: '-processed-',
    why: 'read the keys that are published where a contract looks for duplicates among them; those of a test run do not',
  },
  {
    of: ['glueJob'],
    actions: ['cloudwatch:PutMetricData'],
    resource: '*',
    why: 'Glue itself writes the job metrics, and CloudWatch knows no resources',
  },
  {
    of: ['glueJob'],
    actions: ['s3:GetObject'],
    resource: '/glue/*',
    why: 'Glue itself fetches the script and the wheel',
  },
  {
    of: ['glueJob'],
    actions: ['s3:AbortMultipartUpload'],
    resource: '/staging/*',
    why: 'Spark takes back a large upload that broke off',
  },
  {
    of: ['checkCrawler'],
    actions: ['sqs:GetQueueAttributes'],
    resource: '-crawl-',
    why: 'asks whether a crawl that left a field out has read the batch; the crawls of a test run leave none out',
  },
  {
    of: ['checkCrawler'],
    actions: ['s3:PutObject'],
    resource: '/catalog/*',
    why: 'notes fields that a crawl did not bring; those of a test run are all brought',
  },
];
