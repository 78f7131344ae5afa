/** Areas, and which of them holds a point, by exact arithmetic. */
import { exactly } from './column.ts';

export interface Area {
  readonly name: string;
  readonly rings: readonly (readonly (readonly [number, number])[])[];
}

/** Over `under`, which is positive. */
type Fraction = ReturnType<typeof exactly>;
const minus = (a: Fraction, b: Fraction): Fraction => ({
  over: a.over * b.under - b.over * a.under,
  under: a.under * b.under,
});
const times = (a: Fraction, b: Fraction): Fraction => ({ over: a.over * b.over, under: a.under * b.under });
const isLess = (a: Fraction, b: Fraction): boolean => a.over * b.under < b.over * a.under;

// "The even-odd rule with a ray to the east: an area owns its western and southern borders and not its eastern and northern ones"
export function holds(area: Area, longitude: number, latitude: number): boolean {
  const [x, y] = [exactly(longitude), exactly(latitude)];
  let crossings = 0;
  for (const ring of area.rings)
    ring.slice(1).forEach((end, i) => {
      const start = ring[i];
      if (start === undefined) return;
      const [low, high] = start[1] < end[1] ? [start, end] : [end, start];
      if (low[1] > latitude || high[1] <= latitude) return;
      const [x1, y1, x2, y2] = [exactly(low[0]), exactly(low[1]), exactly(high[0]), exactly(high[1])];
      // The ray meets the edge east of the point: x < x1 + (x2 - x1) (y - y1) / (y2 - y1).
      if (isLess(times(minus(x, x1), minus(y2, y1)), times(minus(x2, x1), minus(y, y1)))) crossings++;
    });
  return crossings % 2 === 1;
}

/** The first area in the file's order that holds the point. */
export const areaOf = (areas: readonly Area[], longitude: number, latitude: number): string | null =>
  areas.find((area) => holds(area, longitude, latitude))?.name ?? null;
