/** One batch: its counts, its expectations, and the reasons of its quarantined rows. */
import * as Plot from '@observablehq/plot';
import { useState } from 'preact/hooks';
import { fatesOf } from '../../lib/model/fates.ts';
import type { BatchDetail, QuarantineSample } from '../model.ts';
import { useAnswer } from './ask.ts';
import { Chart } from './chart.tsx';
import { bytes, count } from './format.ts';

export function Batch({ batch }: { batch: BatchDetail }) {
  const failed = batch.expectations.filter((e) => !e.passed).length;
  return (
    <section class="batch" aria-label={`Batch ${batch.batch}`}>
      <h3>
        Batch <code>{batch.batch}</code> <span class={`badge ${batch.state}`}>{batch.state}</span>
      </h3>
      <p class="facts">
        {count(batch.files)} {batch.files === 1 ? 'file' : 'files'}, {bytes(batch.bytes)}, engine{' '}
        {batch.engine}
        {batch.report && (
          <>
            {', '}
            <a
              href={`/report?dataset=${encodeURIComponent(batch.dataset)}&batch=${encodeURIComponent(batch.batch)}`}
              target="_blank"
              rel="noreferrer"
            >
              data-quality report
            </a>
          </>
        )}
      </p>
      {batch.reason && <p class="failure">{batch.reason}</p>}
      {batch.accounting && <Accounting of={batch.accounting} />}
      {batch.tableRows && <TableRows of={batch.tableRows} />}
      {batch.expectations.length > 0 && (
        <details open={failed > 0}>
          <summary>
            {batch.expectations.length - failed} expectations passed{failed > 0 && `, ${failed} failed`}
          </summary>
          <div class="scrolled">
            <table>
              <thead>
                <tr>
                  <th>Expectation</th>
                  <th>Found</th>
                  <th>Expected</th>
                </tr>
              </thead>
              <tbody>
                {batch.expectations.map((e) => (
                  <tr key={e.name} class={e.passed ? 'passed' : e.severity}>
                    <td>
                      {e.passed ? '✓' : e.severity === 'warn' ? '!' : '✗'} {e.name}
                    </td>
                    <td>{e.found}</td>
                    <td>{e.expected}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </details>
      )}
      {(batch.accounting?.quarantined ?? 0) > 0 && <Quarantine batch={batch} />}
    </section>
  );
}

/** The rows read, by outcome. */
function Accounting({ of }: { of: NonNullable<BatchDetail['accounting']> }) {
  const parts = fatesOf([of]).map((fate) => ({ fate, rows: of[fate] ?? 0 }));
  return (
    <figure class="accounting">
      <figcaption>
        {count(of.rowsRead)} rows read →{' '}
        {parts.map(({ fate, rows }, i) => (
          <span key={fate}>
            {i > 0 && ', '}
            <span class={`key ${fate}`} aria-hidden="true" /> {count(rows)} {fate}
          </span>
        ))}
      </figcaption>
      <div class="bar" aria-hidden="true">
        {parts.map(
          ({ fate, rows }) => rows > 0 && <span key={fate} class={fate} style={{ flexGrow: rows }} />,
        )}
      </div>
    </figure>
  );
}

/** The account of the table around the commit. */
function TableRows({ of }: { of: NonNullable<BatchDetail['tableRows']> }) {
  const { counted, before, inserted, deleted, replaced, after } = of;
  const changes = `${count(inserted)} inserted − ${count(deleted)} deleted − ${count(replaced)} replaced`;
  if (before === null || after === null) return <p class="facts">Table: {changes} rows</p>;
  const expected = before + inserted - deleted - replaced;
  return (
    <p class={expected === after ? 'facts' : 'failure'}>
      {counted === 'table' ? 'Table' : 'Its partitions'}: {count(before)} rows before + {changes} ={' '}
      {count(after)} after
      {expected !== after && `; ${count(expected)} were expected`}
    </p>
  );
}

function Quarantine({ batch }: { batch: BatchDetail }) {
  const [isOpen, setOpen] = useState(false);
  // Before a batch is published, its quarantine is not yet a partition of the table.
  const isThere = batch.state === 'published';
  const samples = useAnswer<QuarantineSample[]>(
    isOpen && isThere
      ? `/api/quarantine?dataset=${encodeURIComponent(batch.dataset)}&batch=${encodeURIComponent(batch.batch)}`
      : undefined,
  );
  const reasons = Object.entries(batch.reasons).map(([reason, rows]) => ({ reason, rows }));
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Quarantine, by reason</summary>
      {reasons.length > 0 && (
        <Chart
          label={`Rows in quarantine: ${reasons.map((r) => `${r.reason} ${r.rows}`).join(', ')}`}
          options={(width) => ({
            width,
            height: 56 + reasons.length * 26,
            marginBottom: 40,
            marginLeft: 160,
            marginRight: 44,
            x: { label: 'rows', grid: true },
            y: { label: null },
            marks: [
              Plot.barX(reasons, { y: 'reason', x: 'rows', fill: 'var(--quarantined)', sort: { y: '-x' } }),
              Plot.text(reasons, {
                y: 'reason',
                x: 'rows',
                text: (r) => count(r.rows),
                dx: 4,
                textAnchor: 'start',
              }),
            ],
          })}
        />
      )}
      {!isThere && <p class="hint">Rows can be read once the batch is published.</p>}
      {samples.error && <p class="failure">{samples.error}</p>}
      {isOpen && isThere && !samples.data && !samples.error && <p class="hint">asking Athena …</p>}
      {samples.data && (
        <div class="scrolled">
          <table>
            <thead>
              <tr>
                <th>Reason</th>
                <th>Where</th>
                <th>Column</th>
                <th>Value</th>
                <th>Row</th>
              </tr>
            </thead>
            <tbody>
              {samples.data.map((s) => (
                <tr key={`${s.reason} ${s.object} ${s.line}`}>
                  <td>{s.reason}</td>
                  <td>
                    {s.object.split('/').at(-1)}
                    {s.line !== null && `:${s.line}`}
                  </td>
                  <td>{s.column}</td>
                  <td>
                    <code>{s.value?.slice(0, 80)}</code>
                  </td>
                  <td class="raw">
                    <code title={s.raw ?? ''}>{s.raw?.slice(0, 160)}</code>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}
