/** Makes hidden characters visible in every text of the page. */
import { options } from 'preact';
import { visible } from '../../lib/visible.ts';

/** Applies to everything that is rendered from now on. */
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
