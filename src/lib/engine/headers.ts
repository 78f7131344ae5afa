/** Headers of CSV files by numbers: in a batch, thousands of files have the same one. Free of AWS. */

type Header = readonly string[];

/** Numbers headers in the order in which they come. `headers`: the different ones. */
export function numberHeaders() {
  const headers: Header[] = [];
  const numbers = new Map<string, number>();
  // Files that were read together share a header.
  const shared = new Map<Header, number>();
  return {
    headers: headers as readonly Header[],
    numberOf(header: Header): number {
      const known = shared.get(header);
      if (known !== undefined) return known;
      const text = JSON.stringify(header);
      const number = numbers.get(text) ?? headers.push(header) - 1;
      numbers.set(text, number);
      shared.set(header, number);
      return number;
    },
  };
}
