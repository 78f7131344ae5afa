/** Whether what local AWSs answered fits the services' models. */
import { readFile } from 'node:fs/promises';
import type { Unchecked, WrongAnswer } from '../../offline/strict/answers.ts';
import { type Refused, strictPath } from '../../offline/strict/check.ts';

/** What GET /_sluice/strict answers. */
interface State {
  readonly refused: readonly Refused[];
  readonly wrong: readonly WrongAnswer[];
  readonly unchecked: readonly Unchecked[];
  readonly checked: number;
}

export async function strictState(endpoint: string): Promise<State> {
  return (await (await fetch(`${endpoint}${strictPath}`)).json()) as State;
}

export interface Checked {
  /** The number of answers that were checked. */
  readonly checked: number;
  /** One line for each kind of wrong answer. */
  readonly wrong: readonly string[];
  /** Rejected requests. */
  readonly refused: readonly Refused[];
  /** Services and operations that no model was read for. */
  readonly unchecked: readonly string[];
}

/** `log`: the file that each local AWS of the run adds its wrong answers to (SLUICE_WRONG_ANSWERS), also those that have ended. */
export async function checkModels(endpoints: readonly string[], log: string | undefined): Promise<Checked> {
  const states = await Promise.all(endpoints.map(strictState));
  const text = log === undefined ? '' : await readFile(log, 'utf8').catch(() => '');
  const logged = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as WrongAnswer);
  const lineOf = ({ service, operation, what, example }: WrongAnswer) =>
    `${service} ${operation}: ${what}: ${example}`;
  return {
    checked: states.reduce((sum, state) => sum + state.checked, 0),
    wrong: [...new Set([...logged, ...states.flatMap(({ wrong }) => wrong)].map(lineOf))],
    refused: states.flatMap(({ refused }) => refused),
    unchecked: [
      ...new Set(states.flatMap(({ unchecked }) => unchecked.map((u) => `${u.service} ${u.operation}`))),
    ].sort(),
  };
}
