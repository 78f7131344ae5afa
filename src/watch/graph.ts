/** A state machine's definition as states and edges. https://states-language.net/spec.html */
import * as z from 'zod';
import type { Graph, GraphEdge } from './model.ts';

const definitionSchema = z.object({
  States: z.record(
    z.string(),
    z.object({
      Type: z.string(),
      Comment: z.string().default(''),
      Next: z.string().optional(),
      Default: z.string().optional(),
      Choices: z.array(z.object({ Next: z.string() })).default([]),
      Catch: z.array(z.object({ Next: z.string() })).default([]),
    }),
  ),
});

/** Throws ZodError if it is not a definition. */
export function graphOf(definition: string): Graph {
  const { States } = definitionSchema.parse(JSON.parse(definition));
  const edges: GraphEdge[] = [];
  for (const [from, state] of Object.entries(States)) {
    const to = (kind: GraphEdge['kind'], targets: readonly (string | undefined)[]) => {
      for (const target of new Set(targets)) if (target !== undefined) edges.push({ from, to: target, kind });
    };
    to('next', [state.Next]);
    to('choice', [...state.Choices.map((c) => c.Next), state.Default]);
    to(
      'catch',
      state.Catch.map((c) => c.Next),
    );
  }
  return {
    states: Object.entries(States).map(([name, { Type: type, Comment: comment }]) => ({
      name,
      type,
      comment,
    })),
    edges,
  };
}
