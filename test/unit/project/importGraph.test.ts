/** The structure of docs/architecture.md holds: imports go one way, and names agree. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';

const root = resolve(import.meta.dirname, '../../..');
const sources = globSync('{src,offline,scripts,bench}/**/*.{ts,tsx}', {
  cwd: root,
  exclude: (name) => name === 'node_modules',
});

/** A file's imports within the project, at load time or as types. */
const importsOf = (file: string): string[] =>
  [...readFileSync(join(root, file), 'utf8').matchAll(/^(?:import|export)\b[^;]*?from '(\.[^']+)';/gm)]
    .map(([, specifier]) => relative(root, join(root, dirname(file), specifier ?? '')))
    .filter((target) => existsSync(join(root, target)));

const graph = new Map(sources.map((file) => [file, importsOf(file)]));

test('no file imports itself through others', () => {
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]) => {
    if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
    if (done.has(file) || path.includes(file)) return;
    for (const target of graph.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of sources) visit(file, []);
  expect(cycles).toEqual([]);
});

/** From folders that import nothing to those that may import everything above. A line may import itself. */
const layers = [
  ['src/lib/model'],
  ['src/lib'],
  ['src/lib/expression', 'src/lib/aws'],
  ['src/lib/contract'],
  ['src/lib/catalog'],
  ['src/lib/dialect'],
  ['src/lib/compiler'],
  ['src/lib/engine', 'src/lib/ledger', 'src/lib/table', 'src/lib/quality', 'src/lib/reference'],
  ['src/lib/infer', 'src/lib/flow/batch', 'src/lib/flow'],
  ['src/lib/flow/steps', 'src/lib/flow/repair', 'src/lib/flow/operate', 'src/lib/flow/maintain'],
  ['src/lib/flow/erase'],
  ['src/handlers', 'src/stage', 'src/watch', 'src/cli'],
];

test('imports go one way, in the order of docs/architecture.md', () => {
  const places = layers.flat().sort((a, b) => b.length - a.length);
  const placeOf = (file: string) => places.find((place) => file.startsWith(`${place}/`));
  const rank = (place: string) => layers.findIndex((layer) => layer.includes(place));
  const wrong = [...graph].flatMap(([file, targets]) => {
    const own = placeOf(file);
    return targets.flatMap((target) => {
      const other = placeOf(target);
      const isAllowed = own === undefined || other === undefined || rank(other) <= rank(own);
      return isAllowed ? [] : [`${file} imports ${target}`];
    });
  });
  expect(wrong).toEqual([]);
});

test('in src/lib only aws/ imports the AWS SDK', () => {
  const others = sources.filter(
    (file) =>
      file.startsWith('src/lib/') &&
      !file.startsWith('src/lib/aws/') &&
      /from '@aws-sdk\//.test(readFileSync(join(root, file), 'utf8')),
  );
  expect(others).toEqual([]);
});

test('each state has a step and a handler of its name, and no step imports another', () => {
  const text = readFileSync(join(root, 'statemachines/ingest.yml'), 'utf8').replaceAll(
    /!(GetAtt|Sub|Ref) /g,
    '',
  );
  const states = parse(text).definition.States as Record<string, { Type: string }>;
  const names = Object.entries(states).flatMap(([name, { Type }]) =>
    Type === 'Task' ? [`${name.charAt(0).toLowerCase()}${name.slice(1)}.ts`] : [],
  );
  const steps = globSync('*.ts', { cwd: join(root, 'src/lib/flow/steps') });
  expect(steps.sort()).toEqual(names.sort());
  for (const name of names) expect(existsSync(join(root, 'src/handlers', name))).toBe(true);
  const among = [...graph].filter(([file]) => file.startsWith('src/lib/flow/steps/'));
  expect(among.flatMap(([, targets]) => targets.filter((t) => t.startsWith('src/lib/flow/steps/')))).toEqual(
    [],
  );
});

test('docs/walkthrough.md visits at most twenty files, none of them twice, and each is there', () => {
  const docs = readFileSync(join(root, 'docs/walkthrough.md'), 'utf8');
  const stops = [...docs.matchAll(/^\d+\. \[`([^`]+)`\]/gm)].map(([, file]) => file ?? '');
  expect(stops.length).toBeGreaterThan(10);
  expect(stops.length).toBeLessThanOrEqual(20);
  expect(new Set(stops).size).toBe(stops.length);
  expect(stops.filter((file) => !existsSync(join(root, file)))).toEqual([]);
});
