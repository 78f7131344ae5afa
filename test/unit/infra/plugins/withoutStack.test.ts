import { expect, test } from '@jest/globals';
import { withoutStack } from '../../../../infra/plugins/withoutStack.ts';

/** What the framework prints without a stack. */
class Told extends Error {}

test('a fault of our own keeps its stack, and what is hidden in a message is shown', async () => {
  const own = new TypeError('x is undefined');
  await expect(withoutStack(Told, () => Promise.reject(own))).rejects.toBe(own);
  const refused = Object.assign(new Error('\u001b[2J'), { $fault: 'client', name: 'AccessDenied' });
  await expect(withoutStack(Told, () => Promise.reject(refused))).rejects.toThrow(
    new Told(String.raw`AWS refused: AccessDenied: \u001b[2J`),
  );
});
