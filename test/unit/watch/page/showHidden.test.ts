import { expect, test } from '@jest/globals';
import { h } from 'preact';
import { showHidden } from '../../../../src/watch/page/showHidden.ts';

test('every text and title of the page shows what hides in it', () => {
  showHidden();
  const key = 'feed/\u202e\u001b[2J.json';
  const shown = String.raw`feed/\u202e\u001b[2J.json`;
  expect(h('td', { title: key, 'aria-label': key, id: 'x' }, key).props).toEqual({
    title: shown,
    'aria-label': shown,
    id: 'x',
    children: shown,
  });
  expect(h('td', {}, 'in ', [key, 3, null], h('b', {}, key)).props.children).toEqual([
    'in ',
    [shown, 3, null],
    expect.objectContaining({ props: { children: shown } }),
  ]);
  // A component passes its text to the elements that it consists of.
  expect(h(() => null, { text: key }).props).toEqual({ text: key });
});
