/** An Observable Plot that fills the width of its container. */
import * as Plot from '@observablehq/plot';
import { useEffect, useRef, useState } from 'preact/hooks';

export function Chart({ label, options }: { label: string; options: (width: number) => Plot.PlotOptions }) {
  const place = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (width === 0) return;
    const chart = Plot.plot({ style: { background: 'none', fontSize: '12px' }, ...options(width) });
    place.current?.replaceChildren(chart);
  }, [width, options]);
  return <div class="chart" ref={place} role="img" aria-label={label} />;
}
