import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { others, stepStates } from '../../../src/cli/logs.ts';
import { printReasons, printTable } from '../../../src/cli/table.ts';
import { functionOf } from '../../../src/stage/executions.ts';
import type { Print } from '../../../src/stage/terminal.ts';

/** What a function prints, without styles. */
function printed(act: (print: Print) => void): string[] {
  const lines: string[] = [];
  act((...parts) => lines.push(parts.map((part) => (typeof part === 'string' ? part : part.text)).join('')));
  return lines;
}

const header = ['object', 'state', 'rows'];
const rows = [
  ['feed/a-rather-long-name.json', 'held', 7],
  ['b', '', '-'],
];

test('a table has aligned columns where there is room', () => {
  expect(printed((print) => printTable(print, header, rows, 60))).toEqual([
    '  object                        state  rows',
    '  feed/a-rather-long-name.json  held      7',
    '  b                                       -',
  ]);
});

test('on a narrow terminal each row is a block, and no word is torn', () => {
  expect(printed((print) => printTable(print, header, rows, 40))).toEqual([
    '  object  feed/a-rather-long-name.json',
    '  state   held',
    '  rows    7',
    '',
    '  object  b',
    '  rows    -',
  ]);
  expect(printed((print) => printTable(print, header, [], 10))).toEqual(['  object  state  rows']);
});

test('a reason that a table cuts is printed whole, once', () => {
  const long = `ExpectationFailed: ${'x'.repeat(100)} the useful part`;
  const all = [
    { name: 'a', reason: long },
    { name: 'b', reason: 'short' },
    { name: 'c', reason: long },
    { name: 'd', reason: undefined },
  ];
  expect(printed((print) => printReasons(print, all))).toEqual([`\n  a and 1 more: ${long}`]);
});

test('completion offers the states that have a function, and all other functions', () => {
  const machine = readFileSync(new URL('../../../statemachines/ingest.yml', import.meta.url), 'utf8');
  const states = [...machine.matchAll(/^( +)(\w+):\n(?:\1 +Comment: .*\n)?\1 +Type: Task$/gm)].map(
    ([, , name]) => name,
  );
  expect(states.length).toBeGreaterThan(8);
  expect([...stepStates].sort()).toEqual(states.sort());
  const file = readFileSync(new URL('../../../infra/functions.yml', import.meta.url), 'utf8');
  const functions = [...file.matchAll(/^(\w+):$/gm)].map(([, name]) => name);
  const ofStates = stepStates.map(functionOf);
  expect(functions.filter((name) => !ofStates.includes(name ?? '')).sort()).toEqual(
    others.filter((name) => name !== 'loadServing').sort(),
  );
});
