/** Every text of the page passes here: what is hidden in a key, a value or a log line is shown. */
import { options } from 'preact';
import { visible } from '../../lib/visible.ts';

/** From now on, in whatever is rendered. */
export function showHidden(): void {
  const { vnode: next } = options;
  options.vnode = (node) => {
    if (typeof node.type === 'string') {
      const props: Record<string, unknown> = node.props;
      for (const name of ['children', 'title', 'aria-label'])
        if (name in props) props[name] = shown(props[name]);
    }
    next?.(node);
  };
}

const shown = (value: unknown): unknown =>
  typeof value === 'string' ? visible(value) : Array.isArray(value) ? value.map(shown) : value;
