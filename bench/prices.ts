/**
 * AWS's public list prices in us-east-1, in dollars, without the free tier; read on 2026-11. Prices change. The
 * counted requests do not depend on them.
 */
export const prices = {
  /** https://aws.amazon.com/step-functions/pricing/ */
  stateTransition: 25 / 1e6,
  /** https://aws.amazon.com/lambda/pricing/, arm64 */
  lambdaRequest: 0.2 / 1e6,
  lambdaGigabyteSecond: 0.0000133334,
  /** https://aws.amazon.com/s3/pricing/: PUT, COPY, POST, LIST; and GET, HEAD. Deletes are free. */
  s3Write: 0.005 / 1000,
  s3Read: 0.0004 / 1000,
  /** https://aws.amazon.com/dynamodb/pricing/on-demand/: a unit is a write of 1 KB or a read of 4 KB. */
  dynamoWrite: 0.625 / 1e6,
  dynamoRead: 0.125 / 1e6,
  /** https://aws.amazon.com/glue/pricing/ */
  catalogRequest: 1 / 1e6,
  dpuHour: 0.44,
  /** https://aws.amazon.com/athena/pricing/: a query counts as 10 MB at least. */
  athenaTerabyte: 5,
  athenaMinimumBytes: 10 * 1024 * 1024,
  /** https://aws.amazon.com/eventbridge/pricing/ and https://aws.amazon.com/sqs/pricing/ */
  event: 1 / 1e6,
  queueRequest: 0.4 / 1e6,
} as const;
