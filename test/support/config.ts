import { readConfig } from '../../src/lib/config.ts';

/** A stage's configuration with names that no resource has. */
export const testConfig = readConfig({
  STAGE: 'test',
  RAW_BUCKET: 'raw',
  PROCESSED_BUCKET: 'processed',
  WORK_BUCKET: 'work',
  LEDGER_TABLE: 'ledger',
  DATABASE: 'db',
  CRAWLER: 'sluice-test-raw',
  GLUE_JOB: 'job',
  WORKGROUP: 'workgroup',
  STATE_MACHINE_ARN: 'arn:aws:states:us-east-1:123456789012:stateMachine:ingest',
  ENGINE: 'auto',
  EMBEDDED_LIMIT_MB: '64',
  REWRITE_LIMIT_MB: '4096',
  BATCH_FILES: '1000',
  BATCH_LIMIT_MB: '10240',
});
