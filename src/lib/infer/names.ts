/** Names of columns and datasets, derived from the names of fields and files. */
import { snakeCase } from '../contract/snakeCase.ts';

/** Letters with a common ASCII spelling that are not a letter with a mark. */
const spelled: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ä: 'ae',
    ö: 'oe',
    ü: 'ue',
    Ä: 'Ae',
    Ö: 'Oe',
    Ü: 'Ue',
    ß: 'ss',
    ẞ: 'SS',
    æ: 'ae',
    Æ: 'Ae',
    œ: 'oe',
    Œ: 'Oe',
    ø: 'o',
    Ø: 'O',
    đ: 'd',
    Đ: 'D',
    ð: 'd',
    Ð: 'D',
    þ: 'th',
    Þ: 'Th',
    ł: 'l',
    Ł: 'L',
    ı: 'i',
    ħ: 'h',
    Ħ: 'H',
    '€': 'EUR',
    '£': 'GBP',
    '%': ' percent ',
    '°': ' deg ',
    '№': 'no',
  }),
);

/** `Größe (cm)` -> `Groesse (cm)`. Letters without a spelling stay. */
const inAscii = (text: string): string =>
  [...text.normalize('NFC')]
    .map((letter) => spelled.get(letter) ?? letter.normalize('NFKD').replaceAll(/\p{M}/gu, ''))
    .join('');

/** The column for a field: `user.screenName` -> `user_screen_name`. It gets a number if no letter or digit can be spelled. */
export function columnName(path: string, place: number): string {
  const text = inAscii(path);
  return /[A-Za-z0-9]/.test(text) ? snakeCase(text) : `field_${place}`;
}

/** `2024 Über File.csv.gz` -> `ueber_file`. */
export function datasetName(file: string): string {
  const name = inAscii(file.replace(/(?<=.)\..*$/, ''))
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^[^a-z]+|(_?\d+)*_*$/g, '')
    .slice(0, 40)
    .replace(/_$/, '');
  return name === '' ? 'dataset' : name;
}
