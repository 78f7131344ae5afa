/** One execution: its graph, the details of the chosen state, and its batches. */
import { useState } from 'preact/hooks';
import type { ExecutionDetail, Graph, LogLine, Visit, VisitData } from '../model.ts';
import { useAnswer } from './ask.ts';
import { Batch } from './batch.tsx';
import { clock, duration, pretty, time } from './format.ts';
import { StateGraph } from './graph.tsx';
import { Tabs } from './tabs.tsx';

export function Execution({ execution }: { execution: ExecutionDetail }) {
  const graph = useAnswer<Graph>(`/api/graph?arn=${encodeURIComponent(execution.arn)}`);
  const [chosen, setChosen] = useState<string>();
  return (
    <article>
      <h2>
        <span class={`dot ${execution.status}`} aria-hidden="true" /> {execution.name}
      </h2>
      <p class="facts">
        {execution.status.toLowerCase().replace('_', ' ')} · {time(execution.startedAt)} ·{' '}
        {duration(execution.startedAt, execution.endedAt)}
      </p>
      {execution.error && (
        <p class="failure">
          <strong>{execution.error}</strong> {execution.cause}
        </p>
      )}
      {execution.batches.map((batch) => (
        <Batch key={batch.batch} batch={batch} />
      ))}
      <section aria-label="State machine" class="machine">
        {graph.error && <p class="failure">{graph.error}</p>}
        {graph.data && (
          <StateGraph graph={graph.data} visits={execution.visits} chosen={chosen} onChoose={setChosen} />
        )}
        <div class="state" aria-live="polite">
          {chosen === undefined ? (
            <p class="hint">Choose a state to see its input, output, error and logs.</p>
          ) : (
            <StateDetail key={chosen} execution={execution} state={chosen} />
          )}
        </div>
      </section>
    </article>
  );
}

function StateDetail({ execution, state }: { execution: ExecutionDetail; state: string }) {
  const visits = execution.visits.flatMap((visit, index) =>
    visit.state === state ? [{ visit, index }] : [],
  );
  const [place, setPlace] = useState<number>();
  const shown = visits[place ?? visits.length - 1];
  if (!shown)
    return (
      <>
        <h3>{state}</h3>
        <p class="hint">This execution has not been here.</p>
      </>
    );
  return (
    <>
      <h3>{state}</h3>
      {visits.length > 1 && (
        <label>
          Visit{' '}
          <select value={visits.indexOf(shown)} onChange={(e) => setPlace(Number(e.currentTarget.value))}>
            {visits.map(({ visit, index }, i) => (
              <option key={index} value={i}>
                {i + 1} of {visits.length}, {clock(visit.startedAt)}
              </option>
            ))}
          </select>
        </label>
      )}
      <VisitDetail key={shown.index} arn={execution.arn} index={shown.index} visit={shown.visit} />
    </>
  );
}

/** CloudWatch shows a line some seconds after it was written. */
const logsAgain = 3000;

const panes = ['Output', 'Input', 'Error', 'Logs'] as const;

function VisitDetail({ arn, index, visit }: { arn: string; index: number; visit: Visit }) {
  const [pane, setPane] = useState<(typeof panes)[number]>(visit.error ? 'Error' : 'Output');
  // The question changes when the visit ends, so it is asked again.
  const asked = `&state=${visit.endedAt === null ? 'open' : 'over'}`;
  const data = useAnswer<VisitData>(`/api/visit?arn=${encodeURIComponent(arn)}&index=${index}${asked}`);
  const isTask = visit.type === 'Task';
  const until = visit.endedAt === null ? '' : `&to=${visit.endedAt}`;
  const logs = useAnswer<LogLine[]>(
    pane === 'Logs' && isTask ? `/api/logs?state=${visit.state}&from=${visit.startedAt}${until}` : undefined,
    logsAgain,
  );
  return (
    <>
      <p class="facts">
        {visit.status} · {clock(visit.startedAt)} · {duration(visit.startedAt, visit.endedAt)}
        {visit.retries > 0 && ` · tried ${visit.retries + 1} times`}
      </p>
      <Tabs names={panes} chosen={pane} onChoose={setPane} />
      <div role="tabpanel" class="pane">
        {pane === 'Output' && <Text text={data.data?.output} none="No output yet." error={data.error} />}
        {pane === 'Input' && <Text text={data.data?.input} none="No input." error={data.error} />}
        {pane === 'Error' && (
          <Text
            text={visit.error && `${visit.error}\n${visit.cause ?? ''}`}
            none="No error."
            error={undefined}
          />
        )}
        {pane === 'Logs' && (
          <Text
            text={logs.data
              ?.map((l) => `${new Date(l.at).toISOString().slice(11, 23)}  ${logText(l.message)}`)
              .join('\n')}
            none={isTask ? 'No logs.' : 'This state runs no function.'}
            error={logs.error}
          />
        )}
      </div>
    </>
  );
}

/** Powertools writes JSON lines with many equal fields, which are left out. */
function logText(message: string): string {
  try {
    const { level, message: text, timestamp: _, service: __, ...rest } = JSON.parse(message);
    const own = Object.entries(rest).filter(
      ([key]) => !/^(function_|cold_start|sampling_rate|xray_)/.test(key),
    );
    return `${level ?? ''} ${text ?? ''} ${own.map(([k, v]) => `${k}=${JSON.stringify(v)}`).join(' ')}`.trim();
  } catch {
    return message;
  }
}

function Text({
  text,
  none,
  error,
}: {
  text: string | null | undefined;
  none: string;
  error: string | undefined;
}) {
  if (error) return <p class="failure">{error}</p>;
  if (!text) return <p class="hint">{none}</p>;
  // biome-ignore lint/a11y/noNoninteractiveTabindex: a long text is scrolled by keyboard
  return <pre tabIndex={0}>{pretty(text)}</pre>;
}
