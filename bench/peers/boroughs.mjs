/** The boroughs' rings as edges, for peers that place points by ray casting. */
import { readFileSync } from 'node:fs';
import { feature } from 'topojson-client';

/** @returns {{ name: string, edges: number[][], box: number[] }[]} */
export function boroughRings(path) {
  const topology = JSON.parse(readFileSync(path, 'utf8'));
  return feature(topology, topology.objects.boroughs).features.map(({ id, properties, geometry }) => {
    const polygons = geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates;
    const edges = polygons.flat().flatMap((ring) => ring.slice(1).map((to, i) => [...ring[i], ...to]));
    const [xs, ys] = [0, 1].map((axis) => edges.flatMap((e) => [e[axis], e[axis + 2]]));
    return {
      name: String(id ?? properties?.name),
      edges,
      box: [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)],
    };
  });
}
