/** Questions to the server, and its live feed. */
import { useEffect, useState } from 'preact/hooks';
import type { Live } from '../model.ts';

/** The feed of an execution, or of the newest one. It reconnects by itself. */
export function useLive(execution: string | undefined): {
  live: Live | undefined;
  trouble: string | undefined;
} {
  const [live, setLive] = useState<Live>();
  const [trouble, setTrouble] = useState<string>();
  useEffect(() => {
    const query = execution === undefined ? '' : `?execution=${encodeURIComponent(execution)}`;
    const source = new EventSource(`/api/live${query}`);
    source.onmessage = ({ data }) => {
      setLive(JSON.parse(data) as Live);
      setTrouble(undefined);
    };
    source.addEventListener('trouble', ({ data }) => setTrouble(JSON.parse(data) as string));
    source.onerror = () => setTrouble('the connection is lost');
    return () => source.close();
  }, [execution]);
  return { live, trouble };
}

export interface Answer<T> {
  readonly data?: T;
  readonly error?: string;
}

/**
 * Asks a question when it changes, and every `again` milliseconds if its answer may grow. Without a question there is no answer.
 */
export function useAnswer<T>(question: string | undefined, again?: number): Answer<T> {
  const [answer, setAnswer] = useState<Answer<T>>({});
  useEffect(() => {
    setAnswer({});
    if (question === undefined) return;
    const abort = new AbortController();
    let next: number | undefined;
    const askNow = async () => {
      try {
        setAnswer({ data: await ask<T>(question, abort.signal) });
      } catch (error) {
        if (!abort.signal.aborted)
          setAnswer({ error: error instanceof Error ? error.message : String(error) });
      }
      if (again !== undefined && !abort.signal.aborted) next = setTimeout(askNow, again);
    };
    void askNow();
    return () => {
      abort.abort();
      clearTimeout(next);
    };
  }, [question, again]);
  return answer;
}

async function ask<T>(question: string, signal: AbortSignal): Promise<T> {
  const response = await fetch(question, { signal });
  const body = await response.json();
  if (!response.ok) throw new Error(body.error);
  return body as T;
}
