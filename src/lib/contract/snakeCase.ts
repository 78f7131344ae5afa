/** Names of columns. */

/** `screenName` -> `screen_name`. */
export const snakeCase = (name: string): string => {
  const plain = name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '');
  return (/^[a-z]/.test(plain) ? plain : `f_${plain}`).slice(0, 58);
};
