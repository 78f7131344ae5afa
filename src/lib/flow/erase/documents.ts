/**
 * Documents of the work bucket with values of rows: staged rows, reports, the first bytes of files that could not be read, and answers of
 * queries.
 */
import { z } from 'zod';
import type { ObjectRef } from '../../aws/store.ts';
import type { StoredVersion } from '../../aws/versions.ts';
import { tableOf } from '../../contract/contract.ts';
import { looksUp } from '../../contract/lookups.ts';
import { tryParseJson } from '../../json.ts';
import { parallel } from '../../parallel.ts';
import { reportPage } from '../../quality/page.ts';
import { type QualityReport, qualityReportSchema } from '../../quality/report.ts';
import { places } from '../batch/addresses.ts';
import { contractOf } from '../batch/deps.ts';
import { manifestSchema, unlessGone } from '../batch/manifest.ts';
import { profileSchema, profileText } from '../batch/profileRecord.ts';
import { type EraseDeps, type Erasing, type Version, versionsBelow } from './work.ts';

export interface Documents {
  /** Versions that are deleted. */
  readonly dirty: readonly (Version & { readonly what: 'staging' | 'report' | 'profile' | 'answer' })[];
  /** Batches whose reports are written anew, without values. */
  readonly reports: readonly string[];
  /** Profiles that are written anew, without the first bytes of files. */
  readonly profiles: readonly string[];
  readonly searched: number;
}

/** Answers are read up to this size in bytes; a larger one counts as one that mentions a person. */
const largestAnswer = 256 * 1024 * 1024;

/** Milliseconds. */
const answerPatience = 3_600_000;

/** `batches`: those with rows of persons. */
export async function searchDocuments(
  deps: EraseDeps,
  work: Erasing,
  raw: readonly { readonly object: string; readonly version: string }[],
  batches: ReadonlySet<string>,
): Promise<Documents> {
  const { config, store } = deps;
  const bucket = config.workBucket;
  const all = (prefix: string) => versionsBelow(deps, work, bucket, prefix);
  const textOf = async ({ key, version }: Version): Promise<string> =>
    (await unlessGone(store.readText({ bucket, key, version }))) ?? '';
  const staging = [...(await all(`staging/${work.dataset}/`)), ...(await lookedUp(deps, work.dataset, all))];
  const manifests = await all(`manifests/${work.dataset}/`);
  const theirs = new Set(batches);
  const files = new Set(raw.map(({ object, version }) => JSON.stringify([object, version])));
  if (files.size > 0)
    await parallel(
      manifests.filter(({ key, isLatest }) => isLatest && key.endsWith('/manifest.json')),
      16,
      async ({ key }) => {
        const manifest = await unlessGone(store.readJson({ bucket, key }, manifestSchema));
        if (manifest?.files.some(({ object, version }) => files.has(JSON.stringify([object, version]))))
          theirs.add(manifest.batch);
      },
    );
  const profiles = await parallel(
    manifests.filter(({ key }) => key.endsWith('/profile.json')),
    16,
    async (version) => {
      const heads = headsSchema.safeParse(tryParseJson(await textOf(version)));
      const isDirty = heads.data?.files.some(({ head }) =>
        work.engine.mentions(Buffer.from(head ?? '', 'base64').toString('utf8')),
      );
      return isDirty ? [version] : [];
    },
  );
  const reports = await searchReports(work, await all(`reports/${work.dataset}/`), textOf, theirs);
  // Somebody may be about to read a younger one, and a small key is in most of them.
  const old = (await all('athena/')).filter(({ modified }) => modified < work.begun - answerPatience);
  const answers = await parallel(old, 8, async (version) => {
    const isDirty = version.size > largestAnswer || work.engine.mentions(await textOf(version));
    return isDirty ? [version] : [];
  });
  const as = (what: Documents['dirty'][number]['what'], versions: readonly Version[]) =>
    versions.map(({ key, version }) => ({ key, version, what }));
  return {
    dirty: [
      ...as('staging', staging),
      ...as('profile', profiles.flat()),
      ...as('report', reports.dirty),
      ...as('answer', answers.flat()),
    ],
    reports: reports.anew,
    profiles: profiles.flat().flatMap(({ key, isLatest }) => (isLatest ? [key] : [])),
    searched: staging.length + manifests.length + reports.searched + answers.length,
  };
}

/** Rows of the dataset's table that others have looked up. A batch that still needs them reads them again. */
async function lookedUp(
  { contracts }: Pick<EraseDeps, 'contracts'>,
  dataset: string,
  all: (prefix: string) => Promise<StoredVersion[]>,
): Promise<StoredVersion[]> {
  const table = tableOf(contractOf({ contracts }, dataset));
  const readers = [...contracts.values()].filter((contract) => looksUp(contract, table));
  const found = await parallel(readers, 4, (reader) => all(`staging/${reader.dataset}/`));
  return found.flat().filter(({ key }) => /\/(?:lookups|references)\/reference_\d+\.ndjson$/.test(key));
}

const headsSchema = z.object({ files: z.array(z.object({ head: z.string().optional() })) });

/** A report of a batch with rows of persons has no values of columns any more. Its earlier versions are deleted. */
async function searchReports(
  { columns, engine }: Erasing,
  versions: readonly StoredVersion[],
  textOf: (version: Version) => Promise<string>,
  batches: ReadonlySet<string>,
): Promise<{ dirty: Version[]; anew: string[]; searched: number }> {
  const dirty: Version[] = [];
  const anew: string[] = [];
  const byBatch = Map.groupBy(versions, ({ key }) => key.replace(/^.*\/|\.[a-z]+$/g, ''));
  await parallel([...byBatch], 16, async ([batch, of]) => {
    const data = of.find(({ key, isLatest }) => isLatest && key.endsWith('.json'));
    const report = data && qualityReportSchema.safeParse(tryParseJson(await textOf(data))).data;
    const isBlank = report === undefined || hasNoValues(report);
    const isNamed = report?.columns.some(
      ({ name, min, max, top }) =>
        columns.includes(name) &&
        [min, max, ...top.map(({ value }) => value)].some(
          (value) => value !== null && engine.mentions(value),
        ),
    );
    if (!isBlank && (isNamed || batches.has(batch))) {
      anew.push(batch);
      dirty.push(...of);
    } else if (isBlank)
      // What an interrupted erasure has left, and pages without data.
      dirty.push(...of.filter(({ isLatest }) => !isLatest || (report === undefined && batches.has(batch))));
    else {
      const old = of.filter(({ isLatest }) => !isLatest);
      const texts = await parallel(old, 4, textOf);
      dirty.push(...old.filter((_, i) => engine.mentions(texts[i] ?? '')));
    }
  });
  return { dirty, anew, searched: versions.length };
}

const hasNoValues = ({ columns }: QualityReport): boolean =>
  columns.every(({ min, max, top }) => min === null && max === null && top.length === 0);

/** Writes documents anew and deletes versions. Gives the number of deleted versions by kind. */
export async function eraseDocuments(
  deps: EraseDeps,
  work: Erasing,
  { dirty, reports, profiles }: Documents,
): Promise<Record<string, number>> {
  const { config, store } = deps;
  for (const batch of reports) {
    await work.beat();
    const { page, data } = places(config).report(work.dataset, batch);
    const report = await store.findJson(data, qualityReportSchema);
    if (report === undefined) continue;
    const blank = {
      ...report,
      columns: report.columns.map((column) => ({ ...column, min: null, max: null, top: [] })),
    };
    // The data says that both are done.
    await store.writeText(page, reportPage(blank));
    await store.writeText(data, JSON.stringify(blank));
  }
  for (const key of profiles) {
    await work.beat();
    const ref: ObjectRef = { bucket: config.workBucket, key };
    const profile = await store.findJson(ref, profileSchema);
    if (profile === undefined) continue;
    const files = profile.files.map(({ head: _, ...file }) => file);
    await store.writeText(ref, profileText({ ...profile, files }));
  }
  await store.deleteVersions(config.workBucket, dirty);
  return Object.fromEntries(
    [...Map.groupBy(dirty, ({ what }) => what)].map(([what, of]) => [what, of.length]),
  );
}
