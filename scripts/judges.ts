/** `npm run judges`: what others wrote judges the local AWS. Ends with a table of scores. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deploy } from '../offline/deploy.ts';
import { type LocalAws, startLocalAws } from '../offline/localAws.ts';
import {
  ensureClients,
  ensureDbt,
  ensureIceberg,
  ensureSparkIceberg,
  type Report,
} from '../offline/setup/environments.ts';
import { runProgram } from '../src/cli/program.ts';
import { readOptions, suggestion, UsageError } from '../src/cli/usage.ts';
import { checkModels } from '../test/support/models.ts';
import { type Score, scoreSchema } from '../test/support/scores.ts';
import { jest, selected, untilInterrupted } from './jest.ts';

interface Judge {
  /** What a person types. */
  readonly name: string;
  readonly what: string;
  readonly project: 'long' | 'differential' | 'unit';
  readonly file: string;
  /** The tests of the file; all by default. */
  readonly only?: string;
  /** What it needs besides the local AWS. */
  readonly ensure: readonly ((report: Report) => Promise<unknown>)[];
  readonly withoutAws?: boolean;
}

const suites = { project: 'unit', file: 'test/unit/rows/suites', ensure: [], withoutAws: true } as const;
const long = (name: string) => ({ project: 'long', file: `test/long/judges/${name}` }) as const;

const judges: readonly Judge[] = [
  { name: 'json', what: 'JSONTestSuite: lines of NDJSON', ...suites, only: 'JSONTestSuite' },
  { name: 'csv', what: 'csv-spectrum: files of CSV', ...suites, only: 'csv-spectrum' },
  {
    name: 'hive',
    what: 'the readers of Trino and Spark on a Hive table of Sluice',
    ...long('hive'),
    ensure: [ensureSparkIceberg],
  },
  {
    name: 'iceberg',
    what: 'Trino, Spark, pyiceberg and DuckDB on Iceberg tables, ours and theirs',
    project: 'differential',
    file: 'test/differential/(judges|iceberg)\\.test',
    ensure: [ensureIceberg, ensureSparkIceberg],
  },
  {
    name: 'clients',
    what: 'boto3, awswrangler, PyAthena and SQLAlchemy on Trino and on DuckDB',
    ...long('clients'),
    ensure: [ensureClients],
  },
  {
    name: 'example',
    what: 'examples/dbt, a project over the tables',
    ...long('example'),
    ensure: [ensureDbt],
  },
  { name: 'dbt', what: "dbt-athena's own functional tests", ...long('dbt'), ensure: [ensureDbt] },
];

const help = `Usage: npm run judges [-- NAME…]

Judges, all by default:
${judges.map(({ name, what }) => `  ${name.padEnd(10)}${what}`).join('\n')}
  -h, --help  this text

A judge that fails does not stop the others. In the end there is a score for each, and one for the answers of the local AWS, which
must be as the services' models say. All judges take about an hour, most of it dbt.
Exit status: 0 all judges are content; 1 one is not, or could not judge; 2 wrong usage; 130 interrupted.`;

const report = (message: string) => console.log(`  ${message}`);

async function main(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, { help: { type: 'boolean', short: 'h' } });
  if (values.help) {
    console.log(help);
    return 0;
  }
  const names = judges.map(({ name }) => name);
  const unknown = positionals.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new UsageError(
      `there is no judge ${JSON.stringify(unknown)}; --help lists them all${suggestion(unknown, names)}`,
    );
  const chosen = judges.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const folder = await mkdtemp(join(tmpdir(), 'sluice-judges-'));
  const wrongAnswers = join(folder, 'wrong-answers');
  // For each local AWS that a judge starts, too.
  process.env.SLUICE_WRONG_ANSWERS = wrongAnswers;
  const interrupted = untilInterrupted();
  const started: LocalAws[] = [];
  let current: Promise<LocalAws> | undefined;
  /** The local AWS of all judges, which starts with the first that needs it. If it ends, the next judge gets another one. */
  const connect = (): Promise<LocalAws> => {
    current ??= (async () => {
      const aws = await startLocalAws({ port: 0, athena: 'trino', report });
      started.push(aws);
      void aws.ended.then(() => {
        current = undefined;
      });
      await deploy({ endpoint: aws.endpoint, params: {}, report });
      return aws;
    })();
    return current;
  };
  const verdicts: Verdict[] = [];
  const all = async () => {
    for (const [i, judge] of chosen.entries()) {
      console.log(`\n[${i + 1}/${chosen.length}] ${judge.name}: ${judge.what}`);
      verdicts.push(await judged(judge, folder, connect));
    }
    if (current !== undefined) verdicts.push(await models(current, wrongAnswers));
    return verdicts.every(({ isContent }) => isContent) ? 0 : 1;
  };
  try {
    const status = await Promise.race([all(), interrupted]);
    console.log(`\n${tableOf(verdicts)}`);
    return status;
  } finally {
    await Promise.all(started.map((aws) => aws.close()));
    await rm(folder, { recursive: true, force: true });
  }
}

interface Verdict {
  readonly scores: readonly Score[];
  readonly isContent: boolean;
  readonly seconds: number;
}

/** Never throws: a judge that cannot judge is not content. */
async function judged(judge: Judge, folder: string, connect: () => Promise<LocalAws>): Promise<Verdict> {
  const { name } = judge;
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  const [scores, counts] = [join(folder, `${name}.scores`), join(folder, `${name}.counts`)];
  try {
    for (const ensure of judge.ensure) await ensure(report);
    const only = judge.only === undefined ? [] : ['--testNamePattern', judge.only];
    const status = await jest([...selected([judge.project], [judge.file]), ...only], {
      SLUICE_THOROUGH: '1',
      // Without it Jest draws over the progress of the judges.
      CI: 'true',
      SLUICE_SCORES: scores,
      SLUICE_COUNTS: counts,
      ...(judge.withoutAws ? {} : { SLUICE_TEST_ENDPOINT: (await connect()).endpoint }),
    });
    const told = await readFile(scores, 'utf8').catch(() => '');
    const lines = told.split('\n').filter((line) => line !== '');
    return {
      scores: lines.length > 0 ? summed(lines) : await counted(counts, name),
      isContent: status === 0,
      seconds: seconds(),
    };
  } catch (error) {
    return { scores: [nothing(name, error)], isContent: false, seconds: seconds() };
  }
}

const nothing = (judge: string, error: unknown): Score => ({
  judge,
  right: 0,
  of: 0,
  more: `it could not judge: ${error instanceof Error ? error.message : String(error)}`,
});

/** Scores with the same name are parts of one. */
function summed(lines: readonly string[]): Score[] {
  const sums = new Map<string, Score>();
  for (const line of lines) {
    const one = scoreSchema.parse(JSON.parse(line));
    const { right, of, notes = [] } = sums.get(one.judge) ?? { right: 0, of: 0 };
    sums.set(one.judge, {
      ...one,
      right: right + one.right,
      of: of + one.of,
      notes: [...notes, ...one.notes],
    });
  }
  return [...sums.values()];
}

/** The score of a judge without one of its own: its tests. */
async function counted(file: string, judge: string): Promise<Score[]> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return [{ judge, right: 0, of: 0, more: 'it ended without a score' }];
  const { passed, failed } = JSON.parse(text) as Record<'passed' | 'failed', number>;
  return [{ judge, right: passed, of: passed + failed, more: 'tests' }];
}

/** Whether all answers of the local AWS fit its services' models, and whether the judges asked for what AWS rejects. Never throws. */
async function models(aws: Promise<LocalAws>, log: string): Promise<Verdict> {
  const judge = 'requests and answers';
  try {
    const { checked, wrong, refused, unchecked } = await checkModels([(await aws).endpoint], log);
    const notes = [
      ...wrong.map((line) => `wrong: ${line}`),
      ...refused.map((r) => `rejected: ${r.service} ${r.operation}: ${r.code}: ${r.message}`),
      ...unchecked.map((line) => `without a model: ${line}`),
    ];
    const score = { judge, right: checked, of: checked + notes.length, notes };
    return { scores: [score], isContent: notes.length === 0, seconds: 0 };
  } catch (error) {
    return { scores: [nothing(judge, error)], isContent: false, seconds: 0 };
  }
}

function tableOf(verdicts: readonly Verdict[]): string {
  const lines = verdicts.flatMap(({ scores, isContent, seconds }) =>
    scores.flatMap(({ judge, right, of, more, notes = [] }, i) => {
      const score = `${right} of ${of}${more === undefined ? '' : `, ${more}`}`;
      const time = i === 0 && seconds > 0 ? `  ${seconds} s` : '';
      return [
        `${isContent ? ' ' : '✗'} ${judge.padEnd(36)} ${score}${time}`,
        ...notes.map((note) => `      ${note}`),
      ];
    }),
  );
  return ['scores', ...lines].join('\n');
}

await runProgram(main);
process.exit();
