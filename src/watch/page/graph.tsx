/** The state machine's graph. Each state shows its outcome as colour, and its duration. */
import dagre from '@dagrejs/dagre';
import { useMemo } from 'preact/hooks';
import type { Graph, Visit } from '../model.ts';
import { duration } from './format.ts';

const [width, height] = [168, 44];

interface Place {
  readonly x: number;
  readonly y: number;
}

/** A layered layout from top to bottom. Edges to states that only failures reach are drawn separately. */
function layOut({ states, edges }: Graph) {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: 'TB', nodesep: 28, ranksep: 34, marginx: 12, marginy: 12 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { name } of states) graph.setNode(name, { width, height });
  // Nearly every state has an edge to FailBatch. Drawing all of them would hide the rest.
  const drawn = edges.filter((e) => e.kind !== 'catch');
  for (const { from, to } of drawn) graph.setEdge(from, to);
  const lastCatch = edges.findLast((e) => e.kind === 'catch');
  if (lastCatch) graph.setEdge(lastCatch.from, lastCatch.to);
  dagre.layout(graph);
  const places = new Map(states.map(({ name }) => [name, graph.node(name) as Place]));
  const paths = [...drawn, ...(lastCatch ? [lastCatch] : [])].map((edge) => ({
    ...edge,
    points: (graph.edge(edge.from, edge.to).points ?? []) as Place[],
  }));
  // Backward edges run outside dagre's size of the graph.
  const xs = [
    ...paths.flatMap((path) => path.points.map((point) => point.x)),
    ...[...places.values()].flatMap(({ x }) => [x - width / 2, x + width / 2]),
  ];
  const left = Math.min(...xs) - 12;
  return { left, width: Math.max(...xs) + 60 - left, height: graph.graph().height ?? 0, places, paths };
}

/** A line through the points with rounded corners. */
function pathThrough(points: readonly Place[]): string {
  const middle = (a: Place, b: Place) => `${(a.x + b.x) / 2},${(a.y + b.y) / 2}`;
  const [first, ...rest] = points;
  const last = rest.at(-1);
  if (!first || !last) return '';
  const turns = rest
    .slice(0, -1)
    .map((point, i) => `Q${point.x},${point.y} ${middle(point, rest[i + 1] ?? last)}`);
  return `M${first.x},${first.y} ${turns.join(' ')} L${last.x},${last.y}`;
}

/** The edge of a caught failure, which goes around the states in between. */
function caughtPath(from: Place, to: Place): string {
  const [x1, x2] = [from.x + width / 2, to.x + width / 2];
  const out = Math.max(x1, x2) + 44;
  return `M${x1},${from.y} C${out},${from.y} ${out},${to.y} ${x2},${to.y}`;
}

export function StateGraph({
  graph,
  visits,
  chosen,
  onChoose,
}: {
  graph: Graph;
  visits: readonly Visit[];
  chosen: string | undefined;
  onChoose: (state: string) => void;
}) {
  const layout = useMemo(() => layOut(graph), [graph]);
  const steps = new Set(visits.slice(1).map((visit, i) => `${visits[i]?.state}>${visit.state}`));
  const drawn = new Set(layout.paths.map(({ from, to }) => `${from}>${to}`));
  const caught = graph.edges.filter(
    ({ from, to, kind }) => kind === 'catch' && steps.has(`${from}>${to}`) && !drawn.has(`${from}>${to}`),
  );
  return (
    <div class="graph">
      <svg
        viewBox={`${layout.left} 0 ${layout.width} ${layout.height}`}
        style={{ maxWidth: `${layout.width}px` }}
      >
        <title>States of the state machine</title>
        <defs>
          <marker
            id="arrow"
            viewBox="0 0 8 8"
            refX="7"
            refY="4"
            markerWidth="7"
            markerHeight="7"
            orient="auto"
          >
            <path d="M0,0 L8,4 L0,8 Z" />
          </marker>
        </defs>
        {layout.paths.map(({ from, to, kind, points }) => (
          <path
            key={`${from}>${to}`}
            class={`edge ${kind} ${steps.has(`${from}>${to}`) ? 'taken' : ''}`}
            d={pathThrough(points)}
            marker-end="url(#arrow)"
          />
        ))}
        {caught.map(({ from, to }) => {
          const [start, end] = [layout.places.get(from), layout.places.get(to)];
          return (
            start &&
            end && (
              <path
                key={`${from}>${to}`}
                class="edge catch taken"
                d={caughtPath(start, end)}
                marker-end="url(#arrow)"
              />
            )
          );
        })}
        {graph.states.map(({ name, type, comment }) => {
          const own = visits.filter((v) => v.state === name);
          const status = own.at(-1)?.status ?? 'unvisited';
          const { x, y } = layout.places.get(name) ?? { x: 0, y: 0 };
          const spent = own.reduce((sum, v) => sum + ((v.endedAt ?? Date.now()) - v.startedAt), 0);
          const took = own.length === 0 ? '' : duration(0, Math.max(spent, 1));
          const times = own.length > 1 ? ` × ${own.length}` : '';
          return (
            // biome-ignore lint/a11y/useSemanticElements: there is no button in SVG
            <g
              key={name}
              class={`node ${status} ${type} ${name === chosen ? 'chosen' : ''}`}
              transform={`translate(${x - width / 2},${y - height / 2})`}
              role="button"
              tabindex={0}
              aria-label={`${name}, ${status}${took && `, ${took}`}`}
              aria-pressed={name === chosen}
              onClick={() => onChoose(name)}
              onKeyDown={(event) => {
                if (event.key !== 'Enter' && event.key !== ' ') return;
                event.preventDefault();
                onChoose(name);
              }}
            >
              <title>{comment}</title>
              <rect width={width} height={height} rx={type === 'Choice' ? 22 : 6} />
              <text x={width / 2} y={took ? 19 : 27}>
                {name}
              </text>
              {took && (
                <text class="took" x={width / 2} y={35}>
                  {took}
                  {times}
                </text>
              )}
            </g>
          );
        })}
      </svg>
    </div>
  );
}
