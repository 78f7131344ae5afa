import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import booleanPointInPolygon from '@turf/boolean-point-in-polygon';
import type { Feature, MultiPolygon, Polygon } from 'geojson';
import { indexPolygons, readPolygons } from '../../src/lib/reference/polygons.ts';
import { contractWith, datasetsFolder, record, transform } from '../support/embedded.ts';

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

test('20,000 random points stand where turf says', async () => {
  let seed = 1;
  const random = () => {
    seed = (seed * 48271) % 2147483647;
    return seed / 2147483647;
  };
  const points = Array.from(
    { length: 20_000 },
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
  expect(expected.filter((name) => name !== null).length).toBeGreaterThan(5000);
});

test('a corner and a border point stand in one borough at most', async () => {
  const ring = boroughs[0]?.rings[0] ?? [];
  const corners = ring.slice(0, 20).map(([x = 0, y = 0]) => [x, y] as const);
  const found = await locate(corners);
  for (const name of found) expect(name === null || boroughs.some((b) => b.name === name)).toBe(true);
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
    .map((line) => JSON.parse(line) as { polygons: { edges: unknown[] }[] });
  const edges = cells.map((c) => c.polygons.reduce((n, p) => n + p.edges.length, 0));
  expect(Math.max(...edges)).toBeLessThanOrEqual(12);
});
