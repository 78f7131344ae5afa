/** Which errors have an outcome, by the names that the state machine and the ledger know them by. */

import type { Outcome } from './errors.ts';
import * as errors from './errors.ts';

/** Goes by the names of exports: a bundle keeps them, and minifies the names of classes. */
export const namesOf = (outcome: Outcome): string[] =>
  Object.entries(errors).flatMap(([name, type]) =>
    'outcome' in type && type.outcome === outcome ? [name] : [],
  );
