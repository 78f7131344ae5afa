/** Excel files, whole and broken ones, and a contract for them. */
import { parseContract } from '../../src/lib/contract/load.ts';
import { zipOf } from './zipArchive.ts';

export const xlsxContract = parseContract(
  'test.yml',
  `
dataset: test
source: { prefix: test/, formats: [xlsx], xlsx: { sheet: Data, skipLines: 1, skipFooter: 1 } }
columns:
  - { name: id, path: Id, type: bigint, required: true }
  - { name: name, path: '"Full \\"Name\\""', type: string }
  - { name: day, path: Day, type: date }
  - { name: at, path: At, type: timestamp, formats: [iso8601] }
  - { name: price, path: Price, type: "decimal(12,2)", nullValues: ["#N/A"] }
  - { name: paid, path: Paid, type: boolean }
drift: rescue
partitionBy: []
`,
);

const head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';
const types = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';

export interface Workbook {
  /** The rows of the sheet `Data`, as XML. */
  readonly rows: string;
  readonly strings?: readonly string[];
  /** In place of the sheet. */
  readonly sheet?: string;
  readonly sheets?: string;
  readonly is1904?: boolean;
}

/** A workbook whose second sheet is `Data`. The formats of its cells: 1 is a day, 2 a day with a time, 3 a time, 4 a number in red. */
export const workbook = ({ rows, strings = [], sheet, sheets, is1904 = false }: Workbook): Buffer =>
  zipOf([
    { name: '[Content_Types].xml', bytes: `${head}<Types/>` },
    {
      name: '_rels/.rels',
      bytes: `${head}<Relationships><Relationship Id="r" Type="${types}/officeDocument" Target="/xl/workbook.xml"/></Relationships>`,
    },
    {
      name: 'xl/workbook.xml',
      bytes: `${head}<x:workbook xmlns:x="y" xmlns:r="${types}"><x:workbookPr${is1904 ? ' date1904="1"' : ''}/><x:sheets>${
        sheets ??
        '<x:sheet name="Chart" r:id="c"/><x:sheet name="First" r:id="a"/><x:sheet name="Data" r:id="b"/>'
      }</x:sheets></x:workbook>`,
    },
    {
      name: 'xl/_rels/workbook.xml.rels',
      bytes: `${head}<Relationships>${[
        ['a', 'worksheet', 'worksheets/sheet1.xml'],
        ['b', 'worksheet', '../xl/./worksheets/sheet2.xml'],
        ['c', 'chartsheet', 'chartsheets/sheet1.xml'],
        ['d', 'sharedStrings', 'sharedStrings.xml'],
        ['e', 'styles', 'styles.xml'],
      ]
        .map(([id, type, target]) => `<Relationship Id="${id}" Type="${types}/${type}" Target="${target}"/>`)
        .join('')}</Relationships>`,
    },
    {
      name: 'xl/styles.xml',
      bytes: `${head}<styleSheet><numFmts><numFmt numFmtId="164" formatCode="[$-407]dd/mm/yyyy\\ hh:mm&quot;m&quot;"/><numFmt numFmtId="165" formatCode="[Red]#,##0.00&quot; day&quot;;[Blue]d"/></numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="20"/><xf numFmtId="165"/></cellXfs></styleSheet>`,
    },
    {
      name: 'xl/sharedStrings.xml',
      bytes: `${head}<sst>${strings.map((text) => `<si>${text}</si>`).join('')}</sst>`,
    },
    { name: 'xl/worksheets/sheet1.xml', bytes: `${head}<worksheet><sheetData/></worksheet>` },
    {
      name: 'xl/worksheets/sheet2.xml',
      bytes:
        sheet ??
        `${head}<worksheet><sheetData>${rows}</sheetData><mergeCells><mergeCell ref="A1:B1"/></mergeCells></worksheet>`,
    },
  ]);

const strings = [
  '<t>Report of October</t>',
  '<t>Id</t>',
  '<r><t>Full </t></r><r><t xml:space="preserve">"Name"</t></r><rPh sb="0" eb="1"><t>ふ</t></rPh>',
  '<t>Day</t>',
  '<t>At</t>',
  '<t>Price</t>',
  '<t>Paid</t>',
  '<t>Anna, "A"_x000D_\n2nd 😀</t>',
  '<t/>',
  '<t>Total</t>',
];
const text = (n: number, at = '') => `<c${at === '' ? '' : ` r="${at}"`} t="s"><v>${n}</v></c>`;
const title = `<row r="1">${text(0, 'A1')}</row>`;
const names = `<row r="2">${[1, 2, 3, 4, 5, 6].map((n) => text(n)).join('')}</row>`;
const total = `<row>${text(9)}<c><f>SUM(E4:E9)</f></c></row>`;

export const xlsxFiles: Readonly<Record<string, Uint8Array>> = {
  'test/whole.xlsx': workbook({
    strings,
    rows: [
      title,
      names,
      `<row r="4"><c r="A4"><v>1</v></c>${text(7)}<c s="1"><v>45936</v></c><c s="2"><v>45936.236111111109</v></c><c s="4"><f>1.1*1</f><v>1.1000000000000001</v></c><c t="b"><v>1</v></c></row>`,
      `<row><c r="A5"><v>2</v></c><c r="C5" s="1"><v>59</v></c><c r="D5" s="2"><v>45936</v></c><c r="E5" t="e"><v>#N/A</v></c><c r="F5" t="b"><v>0</v></c></row>`,
      `<row><c t="str"><f>A5+1</f><v>3</v></c><c t="inlineStr"><is><t>inline</t></is></c><c s="1"><v>60</v></c></row>`,
      `<row><c><v>4</v></c>${text(8)}</row>`,
      `<row><c r="A9"><v>5</v></c><c r="G9"><v>7</v></c></row>`,
      '<row/>',
      total,
    ].join(''),
  }),
  'test/1904.xlsx': workbook({
    strings,
    is1904: true,
    rows: `${title}${names}<row><c><v>6</v></c><c/><c s="1"><v>44474</v></c></row>${total}`,
  }),
  'test/empty.xlsx': Buffer.alloc(0),
  'test/names.xlsx': workbook({ strings, rows: `${title}${names}${total}` }),
  'test/other.xlsx': workbook({ strings, rows: '', sheets: '<x:sheet name="First" r:id="a"/>' }),
  'test/foreign.xlsx': workbook({ strings, rows: `${title}<row>${text(0)}</row>` }),
  'test/old.xlsx': Buffer.concat([
    Buffer.from([0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]),
    Buffer.alloc(600),
  ]),
  'test/text.xlsx': Buffer.from('Id,Day\n1,2'),
  'test/zip.xlsx': zipOf([{ name: 'a.csv', bytes: 'Id\n1' }]),
  'test/cut.xlsx': workbook({ strings, rows: title }).subarray(0, -1),
  'test/entities.xlsx': workbook({
    rows: '',
    sheet:
      '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><worksheet><sheetData><row><c t="str"><v>&b;</v></c></row></sheetData></worksheet>',
  }),
  'test/far.xlsx': workbook({ strings, rows: `${title}<row r="1048577"><c><v>1</v></c></row>` }),
  'test/back.xlsx': workbook({ strings, rows: `${names}<row r="1"><c><v>1</v></c></row>` }),
  'test/string.xlsx': workbook({ strings, rows: `${title}${names}<row>${text(99)}</row>` }),
};

export const refusedOfXlsx = {
  broken_archive: 1,
  invalid_document: 6,
  invalid_csv: 1,
  records_missing: 1,
  unknown_header: 1,
  unsupported_archive: 1,
  bad_type: 1,
};
