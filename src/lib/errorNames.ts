/** The errors with an outcome, by the names that the state machine and the ledger use. */

import type { Outcome } from './errors.ts';
import * as errors from './errors.ts';

/** Uses the names of exports, because a bundle keeps them but minifies the names of classes. */
export const namesOf = (outcome: Outcome): string[] =>
  Object.entries(errors).flatMap(([name, type]) =>
    'outcome' in type && type.outcome === outcome ? [name] : [],
  );
