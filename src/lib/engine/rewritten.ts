/** The result of a rewriting. */

/** The rows of a file. `replaced`: the removed rows that are not of a replaced file. `changed`: those kept with another validity. */
export interface Rewritten {
  readonly kept: number;
  readonly removed: number;
  readonly replaced: number;
  readonly changed?: number;
}

/** Whether a copy has what is left of an object. */
export const isRewritten = ({ kept, removed, changed = 0 }: Rewritten): boolean =>
  kept > 0 && removed + changed > 0;
