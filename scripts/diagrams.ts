/** Makes the diagrams of the docs from the deployed definitions. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import * as z from 'zod';
import { graphOf } from '../src/watch/graph.ts';
import { table } from './markdownTable.ts';

/** Gives the text with every `<!-- generated: NAME -->` block written anew. Throws Error for an unknown block. */
export const withDiagrams = (text: string, root: string): string =>
  text.replaceAll(
    /(<!-- generated: (\w+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, start: string, name: string, end: string) => {
      const make = diagrams[name];
      if (!make) throw new Error(`nobody makes the diagram "${name}"`);
      return `${start}\n${make(root)}\n\n${end}`;
    },
  );

const diagrams: Readonly<Record<string, (root: string) => string>> = {
  states: stateDiagram,
  functions: functionTable,
};

/** CloudFormation's tags are ignored: nothing here needs them. */
const read = (root: string, path: string): unknown =>
  parse(readFileSync(join(root, path), 'utf8'), { logLevel: 'silent' });

const end = (name: string): string => `${name}(((${spaced(name)})))`;
const shapes: Readonly<Record<string, (name: string) => string>> = {
  Choice: (name) => `${name}{${spaced(name)}}`,
  Wait: (name) => `${name}([${spaced(name)}])`,
  Succeed: end,
  Fail: end,
};
const spaced = (name: string): string => name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ');

/** Draws the state machine in Mermaid, without the edges to FailBatch, which every task has. */
function stateDiagram(root: string): string {
  const { definition } = z.object({ definition: z.unknown() }).parse(read(root, 'statemachines/ingest.yml'));
  const { states, edges } = graphOf(JSON.stringify(definition));
  const shown = states.map(({ name, type }) => `  ${(shapes[type] ?? ((n) => `${n}[${n}]`))(name)}`);
  const ways = edges.filter(({ kind }) => kind !== 'catch').map(({ from, to }) => `  ${from} --> ${to}`);
  return ['```mermaid', 'flowchart TD', ...shown, ...ways, '```'].join('\n');
}

function functionTable(root: string): string {
  const { provider } = z
    .object({ provider: z.object({ memorySize: z.number() }) })
    .parse(read(root, 'serverless.yml'));
  const functions = z
    .record(
      z.string(),
      z.object({ description: z.string(), memorySize: z.number().default(provider.memorySize) }),
    )
    .parse(read(root, 'infra/functions.yml'));
  const rows = Object.entries(functions).map(([name, { description, memorySize }]) => [
    `\`${name}\``,
    description,
    String(memorySize),
  ]);
  return table(['function', 'what it does', 'MB'], rows, (column) => column === 2).join('\n');
}
