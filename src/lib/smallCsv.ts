/** How CSV files are read that a person has written beside the data: lookups and keys. */

export const smallCsv = {
  bom: true,
  skip_empty_lines: true,
  // By itself, the parser expects the end of the first line at all lines: in a file with both, the last value of a line would be "42\r".
  record_delimiter: ['\r\n', '\n', '\r'],
};
