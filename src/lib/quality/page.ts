/** Writes a quality report as one HTML file without scripts and external resources, readable offline and on paper. Free of AWS. */
import { ownValue } from '../json.ts';
import { alwaysFates, fatesOf } from '../model/fates.ts';
import { expectedAfter, isUnbalanced, type TableAccount } from '../model/plan.ts';
import { visible } from '../visible.ts';
import type { ColumnFacts } from './columns.ts';
import {
  batchesForDrift,
  type Drift,
  driftOf,
  nullShare,
  type PastBatch,
  pastOf,
  type QualityReport,
} from './report.ts';

/** The page. Every value of the data is escaped. */
export function reportPage(report: QualityReport): string {
  const { dataset, batch, at, stage, table, files, expectations } = report;
  const failed = expectations.filter((e) => !e.passed);
  const drift = driftOf(report);
  const verdict = failed.some((e) => e.severity === 'hold')
    ? tag('held', 'expectations failed')
    : failed.length > 0
      ? tag('warned', `${failed.length} ${failed.length === 1 ? 'warning' : 'warnings'}`)
      : tag('good', 'all expectations passed');
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(dataset)} ${text(batch.slice(0, 8))}: data quality</title>
<style>${style}</style>
<main>
<header>
<h1>${text(dataset)} ${verdict}</h1>
<p class="facts">batch <code>${text(batch)}</code> of stage ${text(stage)}, table ${text(table)}, ${number(files)} ${files === 1 ? 'file' : 'files'},
validated ${text(minuteOf(at))} UTC</p>
</header>
${section('Where the rows went', rowsOf(report))}
${report.tableRows === undefined ? '' : section('The rows of the table', tableRows(report.tableRows))}
${section('Volume', volume([...report.before, pastOf(report)]))}
${section('Drift', driftList(report, drift))}
${Object.keys(report.reasons).length > 0 ? section('Quarantine, by reason', bars(report.reasons, 'quarantined')) : ''}
${Object.keys(report.nulled).length > 0 ? section('Values that became null', bars(report.nulled, 'duplicates')) : ''}
${section('Expectations', expectationTable(report))}
${section('Columns', columnList(report, drift))}
</main>
</html>
`;
}

const section = (title: string, content: string): string => `<section><h2>${title}</h2>${content}</section>`;

const tag = (kind: string, words: string): string => `<span class="tag ${kind}">${words}</span>`;

function rowsOf(report: QualityReport): string {
  const fates = fatesOf([report]);
  const parts = fates.filter((fate) => (report[fate] ?? 0) > 0);
  const bar = parts.map((fate) => `<i class="${fate}" style="flex-grow:${report[fate]}"></i>`).join('');
  const words = fates
    .map((fate) => `<span class="key ${fate}"></span>${number(report[fate] ?? 0)} ${fate}`)
    .join(', ');
  const { replacedRows = 0, deletedRows = 0, changedRows = 0 } = report;
  const leaving = [
    ...(replacedRows === 0 ? [] : [`${number(replacedRows)} for newer ones`]),
    ...(deletedRows === 0 ? [] : [`${number(deletedRows)} because their keys are deleted`]),
  ];
  const left = [
    ...(leaving.length === 0 ? [] : [`. Published rows leave the table: ${leaving.join(', ')}`]),
    ...(changedRows === 0
      ? []
      : [`. Published versions that are valid until another time: ${number(changedRows)}`]),
  ].join('');
  return `<p>${number(report.rowsRead)} rows read: ${words}${left}</p><div class="fates" aria-hidden="true">${bar}</div>`;
}

/** The account of the table around the commit. */
function tableRows(account: TableAccount): string {
  const { counted, before, inserted, deleted, replaced, after } = account;
  const shown = (rows: number | null) => (rows === null ? 'not counted' : number(rows));
  const where = counted === 'table' ? 'In the whole table' : 'In the partitions that the batch changed';
  const verdict = isUnbalanced(account)
    ? ` ${tag('held', `${shown(expectedAfter(account))} were expected`)}`
    : '';
  return `<p>${shown(before)} before + ${number(inserted)} inserted − ${number(deleted)} deleted − ${number(replaced)} replaced = ${shown(after)} after${verdict}</p><p class="facts">${where}.</p>`;
}

/** A bar for each batch with its rows by outcome. This batch is the last. */
function volume(batches: readonly PastBatch[]): string {
  const most = Math.max(1, ...batches.map((b) => b.rowsRead));
  const columns = batches.map((b) => {
    const parts = alwaysFates
      .map((fate) => `<i class="${fate}" style="height:${((100 * b[fate]) / most).toFixed(2)}%"></i>`)
      .reverse()
      .join('');
    const words = `${minuteOf(b.at)}: ${number(b.rowsRead)} rows read, ${number(b.quarantined)} quarantined`;
    return `<div title="${text(words)}">${parts}</div>`;
  });
  const [first] = batches;
  const range =
    batches.length > 1 && first
      ? `${batches.length} batches since ${first.at.slice(0, 10)}, this one last; the highest has ${number(most)} rows`
      : 'The first batch that has a report.';
  return `<div class="volume" role="img" aria-label="Rows read of each batch">${columns.join('')}</div><p class="facts">${range}</p>`;
}

function driftList(report: QualityReport, drift: readonly Drift[]): string {
  if (report.before.length < batchesForDrift) return '<p class="facts">Told from the fourth batch on.</p>';
  if (drift.length === 0)
    return `<p class="facts">Nothing is unlike the ${report.before.length} batches before.</p>`;
  const shown = (d: Drift, value: number) =>
    d.kind === 'rows read' ? number(Math.round(value)) : percent(value);
  const items = drift.map(
    (d) =>
      `<li><b>${d.kind}${d.kind === 'null share' ? ` of ${text(d.of)}` : ''}</b>: ${shown(d, d.now)}, before ${shown(d, d.mean)}</li>`,
  );
  return `<ul>${items.join('')}</ul>`;
}

function bars(counts: Readonly<Record<string, number>>, kind: string): string {
  const entries = Object.entries(counts).sort(([, a], [, b]) => b - a);
  const most = Math.max(1, ...entries.map(([, rows]) => rows));
  const rows = entries.map(([name, rows]) => bar(text(name), rows / most, number(rows), kind));
  return `<div class="bars">${rows.join('')}</div>`;
}

const bar = (label: string, share: number, value: string, kind: string): string =>
  `<span class="label">${label}</span><span class="track"><i class="${kind}" style="width:${(100 * share).toFixed(2)}%"></i></span><span class="value">${value}</span>`;

function expectationTable({ expectations }: QualityReport): string {
  const rows = [...expectations]
    .sort((a, b) => Number(a.passed) - Number(b.passed))
    .map((e) => {
      const outcome = e.passed ? '✓ passed' : e.severity === 'warn' ? '! warning' : '✗ failed';
      const kind = e.passed ? '' : ` class="${e.severity === 'warn' ? 'warned' : 'held'}"`;
      return `<tr${kind}><td>${outcome}</td><td>${text(e.name)}</td><td>${text(e.found)}</td><td>${text(e.expected)}</td></tr>`;
    });
  return `<div class="scrolled"><table><thead><tr><th>Outcome</th><th>Expectation</th><th>Found</th><th>Expected</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function columnList(report: QualityReport, drift: readonly Drift[]): string {
  const drifted = new Set(drift.filter((d) => d.kind === 'null share').map((d) => d.of));
  const cards = report.columns.map((column) => {
    const share = nullShare(column, report.published);
    const facts = [
      column.distinct === null ? '' : `about ${number(column.distinct)} different`,
      column.min === null ? '' : `${text(column.min)} to ${text(column.max ?? '')}`,
    ].filter((fact) => fact !== '');
    const top = column.top.map(({ value, rows }) =>
      bar(text(value), report.published === 0 ? 0 : rows / report.published, number(rows), 'published'),
    );
    return `<article><h3>${text(column.name)} <small>${text(column.type)}</small>${drifted.has(column.name) ? tag('warned', 'drift') : ''}</h3>
<p class="facts">${[`${percent(share)} null`, ...facts].join(', ')}</p>
${nullHistory(report, column)}${top.length > 0 ? `<div class="bars">${top.join('')}</div>` : ''}</article>`;
  });
  return `<div class="cards">${cards.join('')}</div>`;
}

/** The column's share of nulls for each batch; nothing if it never had a null. */
function nullHistory({ before, published }: QualityReport, column: ColumnFacts): string {
  const shares = [
    ...before.map((b) => ownValue(b.nullShares, column.name) ?? 0),
    nullShare(column, published),
  ];
  if (before.length === 0 || shares.every((share) => share === 0)) return '';
  const columns = shares.map(
    (share) =>
      `<div title="${percent(share)}"><i class="nulls" style="height:${(100 * share).toFixed(2)}%"></i></div>`,
  );
  return `<div class="volume small" role="img" aria-label="Null share of each batch">${columns.join('')}</div>`;
}

const minuteOf = (at: string): string => at.replace('T', ' ').slice(0, 16);
const number = (value: number): string => value.toLocaleString('en-US');
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const text = (value: string): string =>
  visible(value).replaceAll(/[&<>"']/g, (letter) => entities[letter] ?? letter);

const style = `
:root{color-scheme:light dark;--page:light-dark(#f6f7f9,#14171c);--card:light-dark(#fff,#1d2128);--line:light-dark(#d5d9e0,#363c47);--text:light-dark(#1a1f27,#e6e9ee);--muted:light-dark(#5a6372,#9aa4b4);--published:light-dark(#1f7a4d,#4fbf86);--quarantined:light-dark(#b45309,#f0a04b);--duplicates:light-dark(#6b7280,#8b95a5);--failed:light-dark(#b3261e,#ff8a80);font:15px/1.5 system-ui,sans-serif}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text)}
main{max-width:64rem;margin:0 auto;padding:1rem}
h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:0 0 .5rem}h3{font-size:.95rem;margin:0;overflow-wrap:anywhere}
h3 small{font-weight:400;color:var(--muted)}
p{margin:.25rem 0}ul{margin:.25rem 0;padding-left:1.2rem}
code{overflow-wrap:anywhere}
section,article{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.75rem 1rem;margin-top:1rem}
.facts{color:var(--muted);font-size:.85rem;overflow-wrap:anywhere}
.tag{font-size:.75rem;font-weight:600;border:1px solid currentColor;border-radius:1rem;padding:.1rem .5rem;margin-left:.4rem;white-space:nowrap}
.good{color:var(--published)}.warned{color:var(--quarantined)}.held{color:var(--failed)}
i{display:block}
i.published,.key.published{background:var(--published)}i.quarantined,.key.quarantined,i.nulls{background:var(--quarantined)}i.duplicates,.key.duplicates,i.skipped,.key.skipped,i.deletes,.key.deletes{background:var(--duplicates)}
.key{display:inline-block;width:.7rem;height:.7rem;border-radius:.15rem;margin-right:.3rem}
.fates{display:flex;height:1.1rem;border-radius:.25rem;overflow:hidden;gap:1px}.fates i{min-width:2px}
.volume{display:flex;align-items:stretch;gap:2px;height:8rem;border-bottom:1px solid var(--line)}
.volume>div{flex:1;max-width:3rem;display:flex;flex-direction:column;justify-content:flex-end}
.volume.small{height:2rem;margin:.25rem 0}
.bars{display:grid;grid-template-columns:minmax(5rem,14rem) minmax(3rem,1fr) auto;gap:.2rem .6rem;align-items:center;font-size:.85rem}
.bars .label{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.bars .track{background:color-mix(in srgb,var(--line) 45%,transparent);border-radius:.2rem;overflow:hidden}.bars .track i{height:.8rem;min-width:2px}
.bars .value{text-align:right;font-variant-numeric:tabular-nums}
.scrolled{overflow-x:auto}
table{border-collapse:collapse;width:100%;min-width:36rem;font-size:.85rem}
th,td{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--muted);font-weight:500}td:first-child{white-space:nowrap}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(19rem,100%),1fr));gap:.75rem}.cards article{margin:0}
@media print{section,article{break-inside:avoid}}
`.replaceAll('\n', '');
