/** The programs that are compared: Sluice's engines, started from its command line, and jobs written by hand for this feed. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { feature } from 'topojson-client';
import type { Topology } from 'topojson-specification';
import { cacheFolder, ensureSpark, ensureVenv, type Report } from '../offline/setup/environments.ts';
import { contractWithPolygons } from './polygons.ts';

const root = resolve(import.meta.dirname, '..');
const boroughs = join(root, 'datasets/reference/london-boroughs.topojson');
const segments = join(root, 'datasets/reference/user-segments.csv');

export interface Contender {
  readonly name: string;
  /** Whether it is Sluice or a peer. */
  readonly isOwn: boolean;
  readonly program: string;
  args(feed: string, out: string): string[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface Contenders {
  readonly embedded: Contender;
  readonly spark: Contender;
  /** The engine that npm has, and the next one. */
  readonly duckdb: Contender;
  readonly duckdb2: Contender;
  readonly polars: Contender;
  readonly pandas: Contender;
  readonly pyspark: Contender;
  /** The embedded engine with the boroughs of London, and with 10,000 polygons in their place. */
  readonly polygons: readonly Contender[];
}

export async function contenders(report: Report): Promise<Contenders> {
  const requirements = readFileSync(join(import.meta.dirname, 'requirements.txt'), 'utf8');
  const python = join(await ensureVenv('bench', requirements, report), 'bin', 'python');
  const { javaHome } = await ensureSpark(report);
  const geojson = geojsonOf(boroughs);
  const own = (
    name: string,
    engine: string,
    contract = join(root, 'datasets/social_media.yml'),
  ): Contender => ({
    name,
    isOwn: true,
    program: join(root, 'node_modules/.bin/node'),
    args: (feed, out) => [
      join(root, 'src/cli/sluice.ts'),
      'transform',
      '--contract',
      contract,
      '--engine',
      engine,
      '--out',
      out,
      feed,
    ],
    environment: {},
  });
  const peer = (name: string, file: string): Contender => ({
    name,
    isOwn: false,
    program: python,
    args: (feed, out) => [join(import.meta.dirname, 'peers', file), feed, geojson, segments, out],
    environment: { JAVA_HOME: javaHome, PYSPARK_PYTHON: python, POLARS_MAX_THREADS: '2' },
  });
  return {
    embedded: own('Sluice, embedded', 'duckdb'),
    spark: own('Sluice, Spark', 'spark'),
    duckdb: {
      ...own('DuckDB by hand', ''),
      isOwn: false,
      args: (feed, out) => [join(import.meta.dirname, 'peers/duckdb.mjs'), feed, boroughs, segments, out],
    },
    duckdb2: peer('DuckDB 2.0.1 by hand', 'duckdb2_peer.py'),
    polars: peer('Polars by hand', 'polars_peer.py'),
    pandas: peer('pandas by hand', 'pandas_peer.py'),
    polygons: [
      own('33 boroughs', 'duckdb'),
      own('10,000 polygons', 'duckdb', await contractWithPolygons(100)),
    ],
    pyspark: peer('PySpark by hand', 'pyspark_peer.py'),
  };
}

/** Shapely cannot read TopoJSON, so it gets GeoJSON. */
function geojsonOf(path: string): string {
  const topology = JSON.parse(readFileSync(path, 'utf8')) as Topology;
  const [object] = Object.values(topology.objects);
  if (!object) throw new Error(`${path} holds no object`);
  const folder = join(cacheFolder(), 'bench');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'boroughs.geojson');
  writeFileSync(file, JSON.stringify(feature(topology, object)));
  return file;
}
