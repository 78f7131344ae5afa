/** Every command: what it does in a line, and how it is loaded. Each is loaded when it is asked for. */
import type { Command } from './usage.ts';

interface Entry {
  readonly does: string;
  readonly load: () => Promise<Command>;
}

/** Without any AWS. */
export const localCommands: Readonly<Record<string, Entry>> = {
  init: {
    does: 'makes a dataset from sample files: drafts its contract, and asks',
    load: () => import('./init.ts'),
  },
  infer: { does: 'drafts a contract from sample files, and prints it', load: () => import('./infer.ts') },
  validate: {
    does: 'checks contracts, with file, line and column of every fault',
    load: () => import('./validate.ts'),
  },
  explain: { does: 'shows what a contract is compiled to', load: () => import('./explain.ts') },
  transform: {
    does: 'runs a contract on files, on either engine',
    load: () => import('./transform.ts'),
  },
  completion: { does: 'the shell function "sluice", with completion', load: () => import('./completion.ts') },
};

/** On a deployed stage, on AWS or local alike. */
export const stageCommands: Readonly<Record<string, Entry>> = {
  drop: { does: 'uploads files, and follows what becomes of them', load: () => import('./drop.ts') },
  status: { does: 'how every dataset is doing', load: () => import('./status.ts') },
  files: { does: 'the files of a dataset, with their state and counts', load: () => import('./files.ts') },
  batches: { does: 'the batches of a dataset', load: () => import('./batches.ts') },
  report: { does: 'the data-quality report of a batch, as a page', load: () => import('./report.ts') },
  quarantine: { does: 'why rows were refused, with some of them', load: () => import('./quarantine.ts') },
  query: { does: 'asks Athena', load: () => import('./query.ts') },
  release: {
    does: 'publishes a held batch although expectations failed',
    load: async () => (await import('./decide.ts')).release,
  },
  reject: {
    does: 'moves the rows of a held batch to quarantine',
    load: async () => (await import('./decide.ts')).reject,
  },
  retry: { does: 'tries held and failed files again', load: () => import('./retry.ts') },
  replay: { does: 'processes published files again', load: () => import('./replay.ts') },
  engine: { does: 'which engine runs the batches of a dataset', load: () => import('./engine.ts') },
  pause: {
    does: 'starts no batches of a dataset',
    load: async () => (await import('./pause.ts')).pause,
  },
  resume: {
    does: 'ends a pause',
    load: async () => (await import('./pause.ts')).resume,
  },
  redrive: {
    does: 'brings notifications back that could not be understood',
    load: () => import('./redrive.ts'),
  },
  reconcile: {
    does: 'partitions of the Data Catalog as the objects in S3 say',
    load: () => import('./reconcile.ts'),
  },
  watch: {
    does: 'a page that shows executions as they happen: npm run watch',
    load: () => import('./watch.ts'),
  },
};

export const commands: Readonly<Record<string, Entry>> = { ...localCommands, ...stageCommands };
