/** The social media contract with any number of polygons over London, to measure the cost of enrichment. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cacheFolder } from '../offline/setup/environments.ts';
import { readContract } from '../src/lib/contract/load.ts';
import { buildIndexes } from '../src/lib/reference/index.ts';

const datasets = resolve(import.meta.dirname, '../datasets');

/**
 * Writes a contract whose polygons are a grid of `perSide` x `perSide` areas with ragged borders, indexed as in a package.
 * Returns its file.
 */
export async function contractWithPolygons(perSide: number): Promise<string> {
  const folder = join(cacheFolder(), 'bench', `polygons-${perSide * perSide}`);
  mkdirSync(join(folder, 'reference'), { recursive: true });
  cpSync(join(datasets, 'reference/user-segments.csv'), join(folder, 'reference/user-segments.csv'));
  writeFileSync(join(folder, 'reference/areas.geojson'), JSON.stringify(areas(perSide)));
  const contract = readFileSync(join(datasets, 'social_media.yml'), 'utf8').replace(
    'reference/london-boroughs.topojson\n    object: boroughs',
    'reference/areas.geojson',
  );
  const file = join(folder, 'social_media.yml');
  writeFileSync(file, contract);
  await buildIndexes([readContract(file)], folder);
  return file;
}

const london = { west: -0.51, east: 0.33, south: 51.28, north: 51.69 };

function areas(perSide: number) {
  const width = (london.east - london.west) / perSide;
  const height = (london.north - london.south) / perSide;
  const steps = 6;
  // Neighbours share borders, so the shape of a border depends only on its own position.
  const ragged = (a: number, b: number) => Math.sin(a * 12.9898 + b * 78.233) * 0.12;
  const corner = (column: number, row: number): [number, number] => [
    london.west + (column + ragged(column, row)) * width,
    london.south + (row + ragged(row, column + 0.5)) * height,
  ];
  const between = (from: [number, number], to: [number, number]) =>
    Array.from({ length: steps - 1 }, (_, i) => {
      const share = (i + 1) / steps;
      const [x, y] = [from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share];
      return [x + ragged(x * 1e4, y * 1e4) * width, y + ragged(y * 1e4, x * 1e4) * height];
    });
  const features = Array.from({ length: perSide * perSide }, (_, n) => {
    const [column, row] = [n % perSide, Math.floor(n / perSide)];
    const [a, b] = [corner(column, row), corner(column + 1, row)];
    const [c, d] = [corner(column + 1, row + 1), corner(column, row + 1)];
    // The neighbour's border, reversed.
    const north = between(d, c).reverse();
    const west = between(a, d).reverse();
    const ring = [a, ...between(a, b), b, ...between(b, c), c, ...north, d, ...west, a];
    return {
      type: 'Feature',
      id: `area ${n}`,
      properties: {},
      geometry: { type: 'Polygon', coordinates: [ring] },
    };
  });
  return { type: 'FeatureCollection', features };
}
