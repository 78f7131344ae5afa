/**
 * Polygons as a table of grid cells, so that finding the polygon of a point is an equi-join on the cell, followed by an exact test
 * against a few edges. The cost of a row does not grow with the number of polygons.
 */
import type { FeatureCollection, Geometry, Position } from 'geojson';
import { feature } from 'topojson-client';
import type { GeometryCollection, Topology } from 'topojson-specification';
import { ReferenceRefused } from '../errors.ts';
import { ownValue } from '../json.ts';
import type { Grid, ReferenceData } from '../model/plan.ts';

/** A named area. Rings are closed; holes are rings like others, by the even-odd rule. */
export interface Polygon {
  readonly name: string;
  readonly rings: readonly (readonly Position[])[];
}

/** An edge with y1 < y2, so that two neighbours compute the same crossing for their common border. */
interface Edge {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

/** Reads TopoJSON or GeoJSON. Throws ReferenceRefused for anything else, or a feature without a name. */
export function readPolygons(
  file: string,
  text: string,
  options: { object?: string | undefined; property: string },
): Polygon[] {
  const collection = toGeoJson(file, parseJson(file, text), options.object);
  return collection.features.map((f, index) => {
    const name = options.property === 'id' ? f.id : ownValue(f.properties ?? {}, options.property);
    if (name === undefined || name === null)
      throw new ReferenceRefused(`${file}, feature ${index + 1}: has no ${options.property}`);
    return { name: String(name), rings: ringsOf(file, f.geometry) };
  });
}

/** The part of a polygon in a cell. A point is inside if `parity` plus the number of edges to its right is odd. */
interface CellPart {
  readonly parity: 0 | 1;
  readonly edges: Edge[];
}

/**
 * The cell table, with one row for each cell that a polygon touches. `name` is the first polygon that covers the whole cell, if any.
 * `borders` has the polygons before it, in file order, that cover a part of the cell; null if there are none.
 */
export function indexPolygons(polygons: readonly Polygon[]): Omit<ReferenceData, 'name'> {
  const shapes = polygons.map(({ name, rings }) => ({ name, edges: edgesOf(rings) }));
  const grid = gridFor(shapes.flatMap((s) => s.edges));
  const cells = new Map<number, { name: string | null; borders: ({ name: string } & CellPart)[] }>();
  for (const shape of shapes) {
    for (const [cell, part] of cellsOf(shape.edges, grid)) {
      const found = cells.get(cell) ?? { name: null, borders: [] };
      cells.set(cell, found);
      if (found.name !== null) continue;
      if (part.edges.length === 0) found.name = shape.name;
      else found.borders.push({ name: shape.name, ...part });
    }
  }
  const edge = 'STRUCT(x1 DOUBLE, y1 DOUBLE, x2 DOUBLE, y2 DOUBLE)';
  return {
    grid,
    columns: {
      cell: 'BIGINT',
      name: 'VARCHAR',
      borders: `STRUCT(name VARCHAR, parity INTEGER, edges ${edge}[])[]`,
    },
    ndjson: [...cells]
      .map(([cell, { name, borders }]) =>
        JSON.stringify({ cell, name, ...(borders.length > 0 ? { borders } : {}) }),
      )
      .join('\n'),
  };
}

/** A margin in degrees that is larger than rounding errors of cell borders and crossings. */
const slack = 1e-9;

function* cellsOf(edges: readonly Edge[], grid: Grid): Generator<[number, CellPart]> {
  const column = (x: number) => Math.floor((x - grid.x) / grid.width);
  const row = (y: number) => Math.floor((y - grid.y) / grid.height);
  const box = boundsOf(edges);
  for (let r = row(box.minY - slack); r <= row(box.maxY + slack); r++) {
    const bottom = grid.y + r * grid.height - slack;
    const top = grid.y + (r + 1) * grid.height + slack;
    const band = edges
      .filter((e) => e.y2 >= bottom && e.y1 <= top)
      .map((edge) => ({ edge, ...reachOf(edge, bottom, top) }));
    for (let c = column(box.minX - slack); c <= column(box.maxX + slack); c++) {
      const left = grid.x + c * grid.width - slack;
      const right = grid.x + (c + 1) * grid.width + slack;
      const near = band.filter((e) => e.minX <= right && e.maxX >= left).map((e) => e.edge);
      const beyond = band.filter((e) => e.minX > right).map((e) => e.edge);
      const part = withBeyond(near, beyond, { bottom, top, right });
      if (part.parity === 1 || part.edges.length > 0) yield [r * grid.columns + c, part];
    }
  }
}

/** The x range of an edge between two heights. */
function reachOf(e: Edge, bottom: number, top: number): { minX: number; maxX: number } {
  const at = (y: number) => e.x1 + ((e.x2 - e.x1) * (y - e.y1)) / (e.y2 - e.y1);
  const from = e.y1 < bottom ? at(bottom) : e.x1;
  const to = e.y2 > top ? at(top) : e.x2;
  return { minX: Math.min(from, to) - slack, maxX: Math.max(from, to) + slack };
}

/**
 * Edges to the right of a cell are crossed at the heights that they span, for every point of the cell. Two consecutive edges upwards count
 * as one, so only the heights are kept at which the parity changes.
 */
function withBeyond(
  near: Edge[],
  beyond: readonly Edge[],
  cell: { bottom: number; top: number; right: number },
): CellPart {
  const changes = new Set<number>();
  for (const { y1, y2 } of beyond) for (const y of [y1, y2]) if (!changes.delete(y)) changes.add(y);
  const heights = [...changes].sort((a, b) => a - b);
  const below = heights.filter((y) => y < cell.bottom).length;
  const inside = heights.slice(below).filter((y) => y <= cell.top);
  const parity = below % 2 === 1 ? 1 : 0;
  // Each change within the band inverts the answer for everything above it.
  const x = cell.right;
  const turns = inside.map((y1) => ({ x1: x, y1, x2: x, y2: cell.top + 1 }));
  return { parity, edges: [...near, ...turns] };
}

function gridFor(edges: readonly Edge[]): Grid {
  const { minX, minY, maxX, maxY } = boundsOf(edges);
  const size = Math.min(512, Math.max(1, Math.ceil(2 * Math.sqrt(edges.length))));
  // One more cell on each side of the box, so that rounding cannot put the outermost points outside.
  const width = (maxX - minX) / size || 1;
  const height = (maxY - minY) / size || 1;
  return { x: minX - width, y: minY - height, width, height, columns: size + 2, rows: size + 2 };
}

function edgesOf(rings: readonly (readonly Position[])[]): Edge[] {
  return rings.flatMap((ring) =>
    ring.slice(1).flatMap((end, i): Edge[] => {
      const [ax, ay] = ring[i] as [number, number];
      const [bx, by] = end as [number, number];
      // A horizontal edge never crosses a horizontal ray.
      if (ay === by) return [];
      return [ay < by ? { x1: ax, y1: ay, x2: bx, y2: by } : { x1: bx, y1: by, x2: ax, y2: ay }];
    }),
  );
}

function boundsOf(edges: readonly Edge[]) {
  let [minX, minY, maxX, maxY] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const e of edges) {
    minX = Math.min(minX, e.x1, e.x2);
    maxX = Math.max(maxX, e.x1, e.x2);
    minY = Math.min(minY, e.y1);
    maxY = Math.max(maxY, e.y2);
  }
  return { minX, minY, maxX, maxY };
}

function parseJson(file: string, text: string): { type?: string } {
  try {
    return JSON.parse(text) as { type?: string };
  } catch (cause) {
    throw new ReferenceRefused(`${file}: is not JSON`, { cause });
  }
}

function toGeoJson(
  file: string,
  json: { type?: string },
  object: string | undefined,
): FeatureCollection<Geometry | null> {
  if (json.type === 'FeatureCollection') return json as FeatureCollection;
  if (json.type !== 'Topology') throw new ReferenceRefused(`${file}: is neither TopoJSON nor GeoJSON`);
  const topology = json as Topology;
  const names = Object.keys(topology.objects);
  const name = object ?? (names.length === 1 ? names[0] : undefined);
  const found = name === undefined ? undefined : topology.objects[name];
  if (found?.type !== 'GeometryCollection')
    throw new ReferenceRefused(`${file}: name one of its objects: ${names.join(', ')}`);
  return feature(topology, found as GeometryCollection);
}

function ringsOf(file: string, geometry: Geometry | null): Position[][] {
  if (geometry?.type === 'Polygon') return geometry.coordinates;
  if (geometry?.type === 'MultiPolygon') return geometry.coordinates.flat();
  throw new ReferenceRefused(`${file}: ${geometry?.type ?? 'an empty geometry'} is not a polygon`);
}
