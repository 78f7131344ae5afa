/** Drafts contracts from files, as `infer` does. */
import { likely, readSamples, textOf } from '../../src/cli/samples.ts';
import { parseContract } from '../../src/lib/contract/load.ts';
import type { Contract } from '../../src/lib/contract/schema.ts';
import { draftContract } from '../../src/lib/infer/infer.ts';

/** The draft of files, as `infer` prints it. */
export async function draftOf(
  paths: readonly string[],
  decide = likely,
): Promise<{ text: string; contract: Contract }> {
  const samples = await readSamples(paths, '10000', decide);
  const text = textOf(draftContract(samples.dataset, samples), paths, samples);
  return { text, contract: parseContract('draft.yml', text) };
}
