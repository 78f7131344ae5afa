/** The least and the greatest value of a column in a batch whose rows all have one, as texts: whole numbers, or texts by their UTF-8 bytes. */
export interface KeyRange {
  readonly column: string;
  readonly least: string;
  readonly greatest: string;
}
