/** What a contract says of a column beside its name; `path` only where it is not that of the values. */
export interface ColumnShape {
  readonly type: string;
  readonly path?: string;
  readonly formats?: readonly unknown[];
  readonly number?: object;
  readonly map?: object;
}
