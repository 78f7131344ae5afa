/** All commands with their one-line descriptions. A command is loaded when it is called. */
import type { Entry } from './usage.ts';

/** Without any AWS. */
export const localCommands: Readonly<Record<string, Entry>> = {
  init: {
    does: 'drafts a contract from sample files, asks questions, and writes it',
    load: () => import('./init.ts'),
  },
  infer: { does: 'drafts a contract from sample files, and prints it', load: () => import('./infer.ts') },
  validate: {
    does: 'checks contracts, with file, line and column of every fault',
    load: () => import('./validate.ts'),
  },
  explain: { does: 'shows the SQL of a contract', load: () => import('./explain.ts') },
  transform: {
    does: 'runs a contract on files of this machine, on either engine',
    load: () => import('./transform.ts'),
  },
  completion: {
    does: 'prints the shell function "sluice", with completion',
    load: async () => (await import('./completion.ts')).completionOf(commands),
  },
};

/** On a deployed stage, on AWS or local. */
export const stageCommands: Readonly<Record<string, Entry>> = {
  drop: { does: 'uploads files, and follows their executions', load: () => import('./drop.ts') },
  status: { does: 'shows the state of every dataset', load: () => import('./status.ts') },
  files: { does: 'lists the files of a dataset, with state and counts', load: () => import('./files.ts') },
  batches: { does: 'lists the batches of a dataset', load: () => import('./batches.ts') },
  executions: {
    does: 'lists executions, or the states of one',
    load: () => import('./executions.ts'),
  },
  logs: { does: 'prints log lines of an execution, a batch or a step', load: () => import('./logs.ts') },
  report: {
    does: 'fetches the data-quality report of a batch, as a page',
    load: () => import('./report.ts'),
  },
  quarantine: {
    does: 'shows why rows were rejected, with some of them',
    load: () => import('./quarantine.ts'),
  },
  query: { does: 'runs a query in Athena', load: () => import('./query.ts') },
  snapshots: { does: 'lists the snapshots of an Iceberg table', load: () => import('./snapshots.ts') },
  tag: { does: 'pins a snapshot of an Iceberg table', load: () => import('./tag.ts') },
  diff: { does: 'compares two states of an Iceberg table by key', load: () => import('./diff.ts') },
  release: {
    does: 'publishes a held batch despite failed expectations',
    load: async () => (await import('./decide.ts')).release,
  },
  reject: {
    does: 'moves the rows of a held batch to quarantine',
    load: async () => (await import('./decide.ts')).reject,
  },
  rollback: {
    does: 'takes the rows of published batches out of the table',
    load: () => import('./rollback.ts'),
  },
  erase: {
    does: 'takes persons out of the table, its history and the raw files',
    load: () => import('./erase.ts'),
  },
  retry: { does: 'processes held and failed files again', load: () => import('./retry.ts') },
  replay: { does: 'processes published files again', load: () => import('./replay.ts') },
  backfill: {
    does: 'processes objects that were in the raw bucket before',
    load: () => import('./backfill.ts'),
  },
  engine: { does: 'shows or sets the engine of a dataset', load: () => import('./engine.ts') },
  pause: {
    does: 'keeps a dataset from starting batches',
    load: async () => (await import('./pause.ts')).pause,
  },
  resume: {
    does: 'ends a pause',
    load: async () => (await import('./pause.ts')).resume,
  },
  redrive: {
    does: 'sends messages of the dead-letter queue again',
    load: () => import('./redrive.ts'),
  },
  reconcile: {
    does: 'compares tables with the ledger and the objects in S3',
    load: () => import('./reconcile.ts'),
  },
  maintain: {
    does: 'compacts small objects, and expires old snapshots',
    load: () => import('./maintain.ts'),
  },
  watch: {
    does: 'serves a page with executions as they happen (npm run watch)',
    load: () => import('./watch.ts'),
  },
};

export const commands: Readonly<Record<string, Entry>> = { ...localCommands, ...stageCommands };
