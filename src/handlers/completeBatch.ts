import { createAnnouncer } from '../lib/aws/events.ts';
import { completeBatch } from '../lib/flow/complete.ts';
import { completeOutput, runInput } from '../lib/flow/schemas.ts';
import { connect, step } from './step.ts';

const deps = { ...connect(), announce: createAnnouncer() };

export const handler = step(runInput, completeOutput, (input) => completeBatch(deps, input));
