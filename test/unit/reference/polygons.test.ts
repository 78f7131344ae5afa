import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import booleanPointInPolygon from '@turf/boolean-point-in-polygon';
import type { Feature, MultiPolygon, Polygon } from 'geojson';
import { indexPolygons, readPolygons } from '../../../src/lib/reference/polygons.ts';
import { contractWith, datasetsFolder, record, transform } from '../../support/embedded.ts';
import { runs, thoroughTest } from '../../support/thorough.ts';

const [fixtures, squares] = [join(import.meta.dirname, '../../fixtures/reference'), 'squares.geojson'];
const file = 'reference/london-boroughs.topojson';
const boroughs = readPolygons(file, readFileSync(join(datasetsFolder, file), 'utf8'), { property: 'id' });
const contract = contractWith(
  `  - { name: latitude, path: lat, type: double }
  - { name: longitude, path: lon, type: double }`,
  `enrich:
  - { kind: polygon, file: ${file}, latitude: latitude, longitude: longitude, column: district }`,
);

const locate = async (points: readonly (readonly [lon: number, lat: number])[]) => {
  const { rows } = await transform(contract, {
    'test/a.json': points.map(([lon, lat], id) => record({ id, lat, lon })).join('\n'),
  });
  const byId = new Map(rows.map((r) => [Number(r.id), r.district]));
  return points.map((_, id) => byId.get(id));
};

test('the 33 boroughs are read', () => {
  expect(boroughs).toHaveLength(33);
  expect(boroughs.map((b) => b.name)).toContain('Tower Hamlets');
});

test('random points stand where turf says', async () => {
  let seed = 1;
  const random = () => {
    seed = (seed * 48271) % 2147483647;
    return seed / 2147483647;
  };
  const points = Array.from(
    { length: runs(10_000, 100_000) },
    () => [-0.55 + random() * 0.9, 51.25 + random() * 0.5] as const,
  );
  const features = boroughs.map(
    (b): Feature<Polygon | MultiPolygon> => ({
      type: 'Feature',
      properties: { name: b.name },
      geometry: { type: 'MultiPolygon', coordinates: b.rings.map((ring) => [[...ring]]) },
    }),
  );
  const expected = points.map(
    (p) => features.find((f) => booleanPointInPolygon([...p], f))?.properties?.name ?? null,
  );
  expect(await locate(points)).toEqual(expected);
  expect(expected.filter((name) => name !== null).length).toBeGreaterThan(points.length / 4);
});

/** Even-odd by a ray to the east, written a second time: the number of an area's edges that it crosses. */
function holds(area: (typeof boroughs)[number], [x, y]: readonly [number, number]): boolean {
  const edges = area.rings.flatMap((ring) => ring.slice(1).map((end, i) => [ring[i] ?? end, end] as const));
  const crossed = edges.filter(([a, b]) => {
    const [[x1 = 0, y1 = 0], [x2 = 0, y2 = 0]] = (a[1] ?? 0) < (b[1] ?? 0) ? [a, b] : [b, a];
    return y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1;
  });
  return crossed.length % 2 === 1;
}

thoroughTest('every corner, and the middle of every edge, stands in one borough at most', async () => {
  const rings = boroughs.flatMap((b) => b.rings);
  const corners = rings.flatMap((ring) => ring.map(([x = 0, y = 0]) => [x, y] as const));
  const middles = rings.flatMap((ring) =>
    ring.slice(1).map(([x = 0, y = 0], i) => {
      const [px = 0, py = 0] = ring[i] ?? [];
      return [(x + px) / 2, (y + py) / 2] as const;
    }),
  );
  const points = [...corners, ...middles];
  const expected = points.map((p) => boroughs.filter((b) => holds(b, p)).map((b) => b.name));
  expect(Math.max(...expected.map((names) => names.length))).toBe(1);
  expect(await locate(points)).toEqual(expected.map(([name]) => name ?? null));
  expect(points.length).toBeGreaterThan(1000);
});

test('an area owns its western and southern borders, a hole too, and shares none', async () => {
  const squares = contractWith(
    `  - { name: x, path: x, type: double }
  - { name: y, path: y, type: double }`,
    'enrich:\n  - { kind: polygon, file: squares.geojson, latitude: y, longitude: x, column: square }',
  );
  const points: readonly [x: number, y: number, square: string | null][] = [
    [0, 0, 'sw'],
    [0, 0.5, 'sw'],
    [0.5, 0, 'sw'],
    [1, 0, 'se'],
    [1, 0.5, 'se'],
    [0.5, 1, 'nw'],
    [1, 1, 'two'],
    [2, 0.5, null],
    [1.5, 2, null],
    [1.25, 0.5, null],
    [1.5, 0.25, null],
    [1.75, 0.5, 'se'],
    [1.5, 0.75, 'se'],
    [-3, -3, 'two'],
    [-2, -2.5, null],
  ];
  const { rows } = await transform(
    squares,
    { 'test/a.json': points.map(([x, y], id) => record({ id, x, y })).join('\n') },
    { references: join(import.meta.dirname, '../../fixtures/reference') },
  );
  const found = new Map(rows.map((r) => [Number(r.id), r.square ?? null]));
  expect(points.map((_, id) => found.get(id))).toEqual(points.map(([, , square]) => square));
});

test('a cell keeps only the edges that can change the answer in it', () => {
  const square = (x: number, y: number) => [
    [x, y],
    [x + 1, y],
    [x + 1, y + 1],
    [x, y + 1],
    [x, y],
  ];
  const many = Array.from({ length: 900 }, (_, i) => ({
    name: `p${i}`,
    rings: [square(i % 30, Math.floor(i / 30))],
  }));
  const cells = indexPolygons(many)
    .ndjson.split('\n')
    .map((line) => JSON.parse(line) as { borders?: { edges: unknown[] }[] });
  const edges = cells.map((c) => (c.borders ?? []).reduce((n, p) => n + p.edges.length, 0));
  expect(Math.max(...edges)).toBeLessThanOrEqual(12);
});

test('a point on the far edge of the grid is in no area on the other side', async () => {
  // The grid of these is 3 cells wider and higher than their box of 2 by 1.
  const { grid } = indexPolygons(
    readPolygons(squares, readFileSync(join(fixtures, squares), 'utf8'), { property: 'id' }),
  );
  if (!grid) throw new TypeError('there is no grid');
  const [right, top] = [grid.x + grid.width * grid.columns, grid.y + grid.height * grid.rows];
  const points = [];
  for (let i = 0; i <= 40; i++) {
    points.push(
      [right, grid.y + ((top - grid.y) * i) / 40] as const,
      [grid.x + ((right - grid.x) * i) / 40, top] as const,
    );
  }
  const contract = contractWith(
    '  - { name: y, path: lat, type: double }\n  - { name: x, path: lon, type: double }',
    `enrich: [{ kind: polygon, file: ${squares}, latitude: y, longitude: x, column: square }]`,
  );
  const { rows } = await transform(
    contract,
    { 'test/a.json': points.map(([lon, lat], id) => record({ id, lat, lon })).join('\n') },
    { references: fixtures },
  );
  expect(rows).toHaveLength(points.length);
  expect(rows.filter((r) => (r.square ?? null) !== null)).toEqual([]);
});
