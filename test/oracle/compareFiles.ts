/** Whole contracts on many files in one run of the engine: each file is a case. Rows, quarantine and counts are compared. */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import * as z from 'zod';
import { comparesPublished } from '../../src/lib/contract/contract.ts';
import type { RunEngine } from '../support/embedded.ts';
import { Dice } from './dice.ts';
import type { Difference } from './difference.ts';
import { type Exact, runExactly } from './engine.ts';
import { type FileCase, type Format, fileCase } from './fileCases.ts';
import { type Interpretation, interpret, type References } from './interpret.ts';
import { readJson, writeJson } from './json.ts';
import type { Area } from './polygons.ts';
import { shown, type Value } from './value.ts';

const folder = resolve(import.meta.dirname, 'reference');
const point = z.tuple([z.number(), z.number()]);
const geometry = z.discriminatedUnion('type', [
  z.object({ type: z.literal('Polygon'), coordinates: z.array(z.array(point)) }),
  z.object({ type: z.literal('MultiPolygon'), coordinates: z.array(z.array(z.array(point))) }),
]);
const areasFile = z.object({ features: z.array(z.object({ id: z.string(), geometry })) });

// "`columns` names what it gives, as texts: numbers as they are written, an object or an array as JSON text."
function lookupOf(text: string): References['lookups'][string] {
  const json = readJson(text);
  if (json?.kind !== 'array') throw new TypeError('a lookup is an array');
  return json.items.map((item) =>
    Object.fromEntries(
      (item.kind === 'object' ? item.fields : []).map(([name, value]) => [
        name,
        value.kind === 'null' ? null : value.kind === 'string' ? value.value : writeJson(value),
      ]),
    ),
  );
}

async function readReferences(): Promise<References> {
  const read = async (name: string): Promise<unknown> =>
    JSON.parse(await readFile(join(folder, name), 'utf8'));
  const { features } = areasFile.parse(await read('areas.geojson'));
  const areas: Area[] = features.map(({ id, geometry: g }) => ({
    name: id,
    rings: g.type === 'Polygon' ? g.coordinates : g.coordinates.flat(),
  }));
  return {
    areas: { 'areas.geojson': areas },
    lookups: { 'names.json': lookupOf(await readFile(join(folder, 'names.json'), 'utf8')) },
  };
}

export async function compareFiles(
  seed: number,
  files: number,
  engine?: RunEngine,
): Promise<{ cases: number; differences: Difference[] }> {
  const dice = new Dice(seed);
  const format = dice.pick<Format>(['lines', 'lines', 'document', 'concatenated', 'csv', 'csv_lines']);
  const made = fileCase(dice, format);
  const contents = Object.fromEntries(Array.from({ length: files }, (_, i) => [`x/${i}`, made.file(dice)]));
  if (!made.contract.dedupe || !comparesPublished(made.contract.dedupe) || engine !== undefined)
    return { cases: files, differences: await compareCase(made.contract, contents, engine) };
  // Some of the files were published before.
  const before = Object.fromEntries(Object.entries(contents).slice(0, files / 4));
  const keep = await mkdtemp(join(tmpdir(), 'sluice-oracle-'));
  try {
    const { rows } = await runExactly(made.contract, before, { references: folder, keep });
    const later = Object.fromEntries(Object.entries(contents).slice(files / 8));
    const told = rows.map((row) => new Map(Object.entries(row)));
    return {
      cases: files,
      differences: await compareCase(made.contract, later, undefined, { folder: keep, told }),
    };
  } finally {
    await rm(keep, { recursive: true, force: true });
  }
}

/** Rows published before, with their place. */
interface Before {
  readonly folder: string;
  readonly told: readonly ReadonlyMap<string, Value>[];
}

/** The differences of each file, and of the whole batch if duplicates cross files. */
async function compareCase(
  contract: FileCase['contract'],
  files: Readonly<Record<string, Buffer>>,
  engine?: RunEngine,
  before?: Before,
): Promise<Difference[]> {
  const told = interpret(contract, files, await readReferences(), before?.told);
  let found: Exact;
  try {
    found = await runExactly(contract, files, {
      references: folder,
      ...(engine ? { engine } : {}),
      ...(before ? { published: before.folder } : {}),
    });
  } catch (error) {
    return [differ(contract, files, 'rows', String(error))];
  }
  const differences = Object.keys(files).flatMap((object) => {
    const [a, b] = [interpreted(told, found, object), engineSaid(found, object)];
    const missing = a.filter((line) => !b.includes(line) || count(a, line) > count(b, line));
    const surplus = b.filter((line) => !a.includes(line) || count(b, line) > count(a, line));
    if (missing.length === 0 && surplus.length === 0) return [];
    return [
      differ(
        contract,
        { [object]: files[object] ?? Buffer.alloc(0) },
        missing.join('\n'),
        surplus.join('\n'),
      ),
    ];
  });
  const {
    rowsRead,
    duplicates,
    quarantined,
    published,
    skipped = 0,
    replacedRows: replaced = 0,
  } = found.summary;
  const [counts, expected] = [
    { rowsRead, duplicates, quarantined, published, skipped, replaced },
    {
      rowsRead: told.rowsRead,
      duplicates: told.duplicates,
      quarantined: told.quarantine.length,
      published: told.published.length,
      skipped: told.skipped,
      replaced: told.replaced,
    },
  ].map((c) => JSON.stringify(c));
  if (differences.length === 0 && counts !== expected)
    differences.push(differ(contract, files, String(expected), String(counts)));
  return differences;
}

const count = (items: readonly string[], item: string): number =>
  items.filter((other) => other === item).length;

const differ = (
  contract: FileCase['contract'],
  files: Readonly<Record<string, Buffer>>,
  interpreter: string,
  engine: string,
): Difference => ({
  about: contract,
  given: Object.entries(files)
    .map(([name, bytes]) => `${name}: ${JSON.stringify(bytes.toString('utf8'))}`)
    .join('\n'),
  interpreter,
  engine,
});

const rowText = (values: Readonly<Record<string, Value>>): string =>
  `row ${Object.keys(values)
    .filter((name) => !/^_(batch|object|version)$/.test(name))
    .sort()
    .map((name) => `${name}=${shown(values[name] ?? null)}`)
    .join(' ')}`;

/** The reference names the column of a fault. */
const refusalText = (line: Value, reason: Value, column: Value): string =>
  `line ${String(line)}: ${String(reason)}${reason === 'unmatched' ? '' : ` ${String(column)}`}`;

/** The rows and quarantine of one file. */
function engineSaid({ rows, quarantine }: Exact, object: string): string[] {
  return [
    ...rows.filter((row) => row._object === object).map(rowText),
    ...quarantine
      .filter((row) => row.object === object)
      .map((row) => refusalText(row.line ?? null, row.reason ?? null, row.column_name ?? null)),
  ];
}

/** If the rules leave the winner open, the engine's choice among tied rows is accepted. */
function interpreted({ published, quarantine }: Interpretation, found: Exact, object: string): string[] {
  const theirs = found.rows.map((row) => `${String(row._object)} ${rowText(row)}`);
  return [
    ...published.flatMap((tied) => {
      const texts = tied.map((row) => ({ row, text: rowText(Object.fromEntries(row.values)) }));
      const chosen = texts.find(({ row, text }) => theirs.includes(`${row.object} ${text}`)) ?? texts[0];
      return chosen?.row.object === object ? [chosen.text] : [];
    }),
    ...quarantine
      .filter((refused) => refused.object === object)
      .map(({ line, reason, column }) => refusalText(line, reason, column)),
  ];
}
