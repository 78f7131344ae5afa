/** Encodings that both engines read equally. All except UTF-16 are single-byte encodings. */
export const encodings = [
  'utf-8',
  'utf-16',
  'iso-8859-1',
  'iso-8859-2',
  'iso-8859-15',
  'windows-1250',
  'windows-1251',
  'windows-1252',
  'windows-1253',
  'windows-1254',
  'windows-1257',
  'koi8-r',
  'ibm866',
  'macintosh',
] as const;
