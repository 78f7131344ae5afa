/** Lists in pages. */

export interface PageRequest {
  readonly MaxResults?: number | undefined;
  readonly NextToken?: string | undefined;
}

/**
 * A page of things in the order of their names. The token is the last name that was told, so a page stays right while other things
 * are made and removed. Athena's pages have up to 50.
 */
export function pageByName<T>(
  things: readonly T[],
  nameOf: (thing: T) => string,
  { MaxResults = 50, NextToken }: PageRequest,
): { readonly page: readonly T[]; readonly NextToken?: string } {
  const rest = [...things]
    .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
    .filter((thing) => NextToken === undefined || nameOf(thing) > NextToken);
  const page = rest.slice(0, MaxResults);
  const last = page.at(-1);
  return { page, ...(page.length < rest.length && last !== undefined ? { NextToken: nameOf(last) } : {}) };
}
