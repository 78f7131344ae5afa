/** Text that others wrote, made safe to show. Without it a key or a value could steer a terminal, or hide in it. */

/**
 * Controls, C1 too, direction overrides, invisible characters, separators that some terminals take for line ends, and
 * halves of surrogate pairs. An emoji keeps the selector that colours it.
 */
const hidden =
  /(?<!\p{Extended_Pictographic})\ufe0f|[[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]--[\n\ufe0f]]/gv;

/**
 * Shows what is hidden as `\u001b`; line breaks stay. The escapes are JSON's own: visible JSON is JSON of the same value.
 */
export const visible = (text: string): string =>
  text.replace(
    hidden,
    (found) => short.get(found) ?? Array.from({ length: found.length }, (_, i) => unit(found, i)).join(''),
  );

const short = new Map([
  ['\t', '\\t'],
  ['\r', '\\r'],
]);

const unit = (text: string, i: number): string => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`;

/** The same as one line: line breaks are shown too. */
export const visibleLine = (text: string): string => visible(text).replaceAll('\n', '\\n');

/** A value as one line of at most `width` characters, for a glance: white space of any kind becomes a space. */
export function oneLine(text: string, width: number): string {
  const letters = [...visible(text.replaceAll(/\s+/g, ' '))];
  return letters.length > width ? `${letters.slice(0, width - 1).join('')}…` : letters.join('');
}
