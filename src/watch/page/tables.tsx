/** Tables: their partitions over time, with rows, bytes and objects. */
import * as Plot from '@observablehq/plot';
import { useState } from 'preact/hooks';
import { visible } from '../../lib/visible.ts';
import type { MaintenanceNote, TableDetail } from '../model.ts';
import { useAnswer } from './ask.ts';
import { Chart } from './chart.tsx';
import { bytes, count } from './format.ts';
import { moveWithArrows } from './moveWithArrows.ts';
import { Tabs } from './tabs.tsx';

export function Tables({ chosen }: { chosen: string | undefined }) {
  const datasets = useAnswer<string[]>('/api/datasets');
  const shown = chosen ?? datasets.data?.[0];
  return (
    <div class="columns">
      <nav class="list" aria-label="Tables" onKeyDown={moveWithArrows}>
        {datasets.error && <p class="failure">{datasets.error}</p>}
        <ul>
          {datasets.data?.map((name) => (
            <li key={name}>
              <a
                href={`#/tables/${encodeURIComponent(name)}`}
                aria-current={name === shown ? 'true' : undefined}
              >
                <span class="name">{name}</span>
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <main>{shown && <Table key={shown} dataset={shown} />}</main>
    </div>
  );
}

const measures = ['rows', 'bytes', 'files'] as const;

function Table({ dataset }: { dataset: string }) {
  const { data, error } = useAnswer<TableDetail>(`/api/table?dataset=${encodeURIComponent(dataset)}`);
  const [measure, setMeasure] = useState<(typeof measures)[number]>('rows');
  if (error) return <p class="failure">{error}</p>;
  if (!data) return <p class="hint">reading the partitions …</p>;
  const partitions = data.partitions.map((p) => {
    const name = p.name === '' ? 'without partitions' : p.name;
    // The chart renders its own texts.
    return { ...p, name, label: visible(shortName(name)), title: visible(name) };
  });
  const total = (of: (typeof measures)[number]) => partitions.reduce((sum, p) => sum + p[of], 0);
  const written = measure === 'bytes' ? bytes : count;
  return (
    <article>
      <h2>{data.table}</h2>
      <p class="facts">
        {data.registered === null
          ? `the latest ${count(partitions.length)} `
          : `${partitions.length < data.registered ? `the last ${count(partitions.length)} of ` : ''}${count(data.registered)} `}
        {data.registered === 1 ? 'partition' : 'partitions'} · {count(total('rows'))} rows ·{' '}
        {bytes(total('bytes'))} · {count(total('files'))} files
      </p>
      {data.drift && <p class="failure">{visible(data.drift)}</p>}
      {partitions.length > 0 && (
        <>
          <Tabs names={measures} chosen={measure} onChoose={setMeasure} />
          <Chart
            label={`${measure} of each partition`}
            options={(width) => ({
              width,
              height: 260,
              marginBottom: 70,
              marginLeft: 60,
              x: {
                type: 'band',
                label: null,
                tickRotate: -45,
                ...(partitions.length > width / 18 ? { ticks: [] } : {}),
              },
              y: { label: measure, grid: true, tickFormat: measure === 'bytes' ? bytes : 's' },
              marks: [
                Plot.barY(partitions, {
                  x: 'label',
                  y: measure,
                  fill: 'var(--published)',
                  title: (p) => `${p.title}\n${written(p[measure])}`,
                  sort: null,
                }),
                Plot.ruleY([0]),
              ],
            })}
          />
          <div class="scrolled">
            <table>
              <thead>
                <tr>
                  <th>Partition</th>
                  <th class="number">Rows</th>
                  <th class="number">Bytes</th>
                  <th class="number">Files</th>
                </tr>
              </thead>
              <tbody>
                {partitions.toReversed().map((p) => (
                  <tr key={p.name}>
                    <td>{p.name}</td>
                    <td class="number">{count(p.rows)}</td>
                    <td class="number">{bytes(p.bytes)}</td>
                    <td class="number">{count(p.files)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
      {data.maintained && <p class="facts">{maintenanceText(data.maintained)}</p>}
      {data.snapshots.length > 0 && <Snapshots {...data} />}
      {partitions.length === 0 && data.drift === null && <p class="hint">Nothing is published yet.</p>}
    </article>
  );
}

function maintenanceText({
  at,
  compacted,
  into,
  left,
  snapshots,
  orphans,
  waitsFor,
}: MaintenanceNote): string {
  const parts = [
    `${count(compacted)} objects compacted into ${count(into)}`,
    ...(left > 0 ? [`${count(left)} groups left`] : []),
    `${count(snapshots)} snapshots expired`,
    `${count(orphans)} orphans removed`,
    ...(waitsFor === undefined ? [] : [`expiry waits for ${waitsFor}`]),
  ];
  return visible(`maintained ${at}: ${parts.join(' · ')}`);
}

/** States that can still be read, the newest first. */
function Snapshots({ states, snapshots }: Pick<TableDetail, 'states' | 'snapshots'>) {
  return (
    <section aria-label="Snapshots">
      <h3>
        {snapshots.length < (states ?? 0) && `the last ${count(snapshots.length)} of `}
        {count(states ?? 0)} {states === 1 ? 'snapshot' : 'snapshots'}
      </h3>
      <div class="scrolled">
        <table>
          <thead>
            <tr>
              <th>Time</th>
              <th>Snapshot</th>
              <th>Operation</th>
              <th>Batch</th>
              <th class="number">Rows added</th>
              <th class="number">Rows removed</th>
              <th>Tags</th>
            </tr>
          </thead>
          <tbody>
            {snapshots.map((s) => (
              <tr key={s.id}>
                <td>{s.at}</td>
                <td>{s.id}</td>
                <td>{visible(s.operation)}</td>
                <td>{visible(s.attempt?.batch.slice(0, 8) ?? '')}</td>
                <td class="number">{s.rowsAdded === undefined ? '' : count(s.rowsAdded)}</td>
                <td class="number">{s.rowsRemoved === undefined ? '' : count(s.rowsRemoved)}</td>
                <td>{visible(s.tags.join(', '))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** `year=2025/month=10/day=06` as 2025-10-06; other keys with their values. */
function shortName(name: string): string {
  const parts = name.split('/').map((part) => part.split('='));
  const isDate = (key: string | undefined) => ['year', 'month', 'day', 'hour'].includes(key ?? '');
  const date = parts.filter(([key]) => isDate(key)).map(([, value]) => value);
  return date.length > 0 ? date.join('-') : parts.map(([, value]) => value).join('/');
}
