/** The values that fast-check varies in a property of the flow: faults, and whose turn it is. Counterexamples are plain data. */
import fc from 'fast-check';
import type { Fault } from './faults.ts';

/** A fault for an actor's nth call; see faultsByCall. */
export interface PlannedFault {
  readonly actor: string;
  readonly n: number;
  readonly fault: Fault;
}

/** One fault of each kind, for tests that put every fault at every call. */
export const everyFault: readonly Fault[] = [
  { mode: 'fail' },
  { mode: 'fail', error: 'AccessDeniedException' },
  { mode: 'lost' },
  { mode: 'twice' },
  { mode: 'partial', mask: 0 },
  { mode: 'partial', mask: 0x55555555 },
  { mode: 'hang', effect: false },
  { mode: 'hang', effect: true },
  { mode: 'stall', caller: 'dies' },
  { mode: 'stall', caller: 'waits' },
  { mode: 'stall', caller: 'timesOut' },
  { mode: 'freeze' },
];

/** The simplest kinds come first: fast-check shrinks towards them. */
export const someFault = (): fc.Arbitrary<Fault> =>
  fc.oneof(
    fc.constantFrom(...everyFault.filter((fault) => fault.mode !== 'partial')),
    fc.nat(0x7fffffff).map((mask): Fault => ({ mode: 'partial', mask })),
  );

/** Up to `most` faults within the first `calls` calls of these actors. */
export const someFaults = (
  actors: readonly string[],
  calls: number,
  most = 2,
): fc.Arbitrary<PlannedFault[]> =>
  fc.array(
    fc.record(
      {
        actor: fc.constantFrom(...actors),
        n: fc.integer({ min: 1, max: calls }),
        fault: someFault(),
      },
      { noNullPrototype: true },
    ),
    { maxLength: most },
  );

/**
 * Choices for `interleave`. Half of them continue with the actor of the last call; otherwise an actor rarely gets far while
 * another waits.
 */
export const someChoices = (length: number): fc.Arbitrary<number[]> =>
  fc.array(fc.oneof(fc.constant(0), fc.nat(5)), { maxLength: length });
