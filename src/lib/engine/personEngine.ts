/** The search for persons in local files, by DuckDB in this process. */
import { eraseInRaw, type RawCopy, type RawMatch, type RawSearch, searchRaw } from './searchRaw.ts';
import { fetchRows, type RecordPlace, type RowsCopy, type RowsMatch, searchRows } from './searchRows.ts';
import { mentions, type Sought } from './sought.ts';

export const personEngine = (sought: Sought) => ({
  searchRaw: (files: readonly RawCopy[]): Promise<RawSearch> => searchRaw(sought, files),
  eraseInRaw: (file: RawCopy, to: string): Promise<RawMatch> => eraseInRaw(sought, file, to),
  fetchRows: (
    read: (start: number, end: number) => Promise<ArrayBuffer>,
    size: number,
    path: string,
  ): Promise<void> => fetchRows(sought, read, size, path),
  searchRows: (copies: readonly RowsCopy[], records: readonly RecordPlace[]): Promise<RowsMatch[]> =>
    searchRows(sought, copies, records),
  mentions: (text: string): boolean => mentions(sought, text),
});
