/** The watch page: executions on the left, and the chosen execution or a table next to them. */
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Live } from '../model.ts';
import { useLive } from './ask.ts';
import { Execution } from './execution.tsx';
import { duration, time } from './format.ts';
import { moveWithArrows } from './moveWithArrows.ts';
import { showHidden } from './showHidden.ts';
import { Tables } from './tables.tsx';

/** `#/executions/NAME` or `#/tables/DATASET`: the address names the view, so the browser's back button works. */
function useRoute(): readonly [page: string, name: string | undefined] {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const change = () => setHash(location.hash);
    addEventListener('hashchange', change);
    return () => removeEventListener('hashchange', change);
  }, []);
  const [, page = 'executions', name] = hash.split('/');
  return [page, name === undefined || name === '' ? undefined : decodeURIComponent(name)];
}

function Page() {
  const [page, name] = useRoute();
  const isTables = page === 'tables';
  const { live, trouble } = useLive(isTables ? undefined : name);
  return (
    <>
      <header>
        <h1>
          Sluice <small>{live ? `stage ${live.stage}` : ''}</small>
        </h1>
        <nav aria-label="Pages">
          <a href="#/executions" aria-current={isTables ? undefined : 'page'}>
            Executions
          </a>
          <a href="#/tables" aria-current={isTables ? 'page' : undefined}>
            Tables
          </a>
        </nav>
        <p class="connection" role="status">
          {trouble ? `no answer: ${trouble}` : live ? 'live' : 'connecting …'}
        </p>
      </header>
      {isTables ? <Tables chosen={name} /> : <Executions live={live} chosen={name} />}
    </>
  );
}

function Executions({ live, chosen }: { live: Live | undefined; chosen: string | undefined }) {
  if (!live) return <main class="empty" />;
  if (live.executions.length === 0)
    return (
      <main class="empty">
        <p>No execution yet. Drop a file into the raw bucket, and it appears here.</p>
      </main>
    );
  const shown = live.execution?.name;
  return (
    <div class="columns">
      <nav class="list" aria-label="Executions" onKeyDown={moveWithArrows}>
        <ul>
          {live.executions.map((e) => (
            <li key={e.name}>
              <a
                href={`#/executions/${encodeURIComponent(e.name)}`}
                aria-current={e.name === shown ? 'true' : undefined}
              >
                <span class={`dot ${e.status}`} aria-hidden="true" />
                <span class="name">{e.name}</span>
                <span class="status">{e.status.toLowerCase().replace('_', ' ')}</span>
                <span class="when">
                  {time(e.startedAt)} · {duration(e.startedAt, e.endedAt)}
                </span>
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <main>
        {live.execution ? (
          <Execution key={live.execution.arn} execution={live.execution} />
        ) : (
          <p class="empty">The execution {chosen} is not among the newest fifty.</p>
        )}
      </main>
    </div>
  );
}

showHidden();
const root = document.getElementById('page');
if (root) render(<Page />, root);
