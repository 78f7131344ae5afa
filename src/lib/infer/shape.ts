/** The properties of a column in a contract, except its name. `path` is set only if it differs from that of the values. */
export interface ColumnShape {
  readonly type: string;
  readonly path?: string;
  readonly formats?: readonly unknown[];
  readonly number?: object;
  readonly map?: object;
  readonly trim?: true;
  readonly normalize?: true;
}
