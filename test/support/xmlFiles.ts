/** XML files, whole and broken ones, and a contract for them. */
import { gzipSync } from 'node:zlib';
import { parseContract } from '../../src/lib/contract/load.ts';
import { zipOf } from './zipArchive.ts';

export const xmlContract = parseContract(
  'test.yml',
  `
dataset: test
source: { prefix: test/, formats: [xml], xml: { record: orders/order } }
explode: lines.line
columns:
  - { name: id, path: "@id", type: bigint, required: true }
  - { name: at, path: at, type: timestamp, formats: [iso8601] }
  - { name: sku, path: "lines.line.@sku", type: string }
  - { name: quantity, path: "lines.line.#text", type: int }
  - { name: tags, path: "tags.tag[*]", type: array<string> }
  - { name: customer, path: "c:customer", type: json }
  - { name: note, path: note, type: string, trim: true }
drift: rescue
partitionBy: []
`,
);

const order = (id: number, more = '') =>
  `<order id="${id}"><at>2025-10-06T05:40:00Z</at><lines><line sku="a">2</line></lines>${more}</order>`;
const orders = (...all: readonly string[]) => `<orders>\n${all.join('\n')}\n</orders>`;

export const xmlFiles: Readonly<Record<string, Uint8Array>> = {
  'test/whole.xml': Buffer.from(
    `\uFEFF<?xml version="1.0" encoding="UTF-8"?>\r\n<!DOCTYPE shop SYSTEM "shop.dtd"><shop xmlns:c="urn:c"><order id="0"/><orders xmlns="urn:o"><!-- x -->
  <order id="1" xmlns:q="urn:q">
    <at>2025-10-06T05:40:00Z</at>
    <lines><line sku="a&amp;b">2</line><line sku='c"'> 3 </line></lines>
    <tags><tag>x</tag></tags>
    <c:customer vip="yes"><name>Zoë &#x1F600;</name><phone xsi:nil="true"/></c:customer>
    <note> <![CDATA[<b>]]> &lt;5 </note>mixed
  </order>
  ${order(2, '<tags><tag>y</tag><tag/><tag>z</tag></tags><note/>')}
  <order id="3"><order id="9"/><lines><line sku="d"/></lines></order>
  <order id="x"><lines><line/></lines></order>
</orders></shop>`,
  ),
  'test/packed.xml.gz': gzipSync(orders(order(4))),
  'test/packed.zip': zipOf([
    { name: 'a.xml', bytes: orders(order(5)) },
    { name: 'b.xml', bytes: orders(order(6), '<order') },
  ]),
  'test/wide.xml': Buffer.concat([
    Buffer.from([0xff, 0xfe]),
    Buffer.from(`<?xml version="1.0" encoding="UTF-16"?>${orders(order(7, '<note>é</note>'))}`, 'utf16le'),
  ]),
  'test/latin.xml': Buffer.from(
    `<?xml version='1.0' encoding='ISO-8859-1'?>${orders(order(8, '<note>é</note>'))}`,
    'latin1',
  ),
  'test/none.xml': Buffer.from('<orders/>'),
  'test/blank.xml': Buffer.from(' \n'),
  'test/void.xml': Buffer.alloc(0),
  'test/other.xml': Buffer.from('<orders><item/></orders>'),
  'test/json.xml': Buffer.from('{"id":1}'),
  'test/cut.xml': Buffer.from(orders(order(10)).slice(0, -4)),
  'test/unclosed.xml': Buffer.from(orders(order(11), '<order><at></order>')),
  'test/bomb.xml': Buffer.from(
    `<!DOCTYPE orders [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>${orders(order(12, '<note>&b;</note>'))}`,
  ),
  'test/file.xml': Buffer.from(
    `<!DOCTYPE orders [<!ENTITY f SYSTEM "file:///etc/passwd">]>${orders(order(13, '<note>&f;</note>'))}`,
  ),
  'test/entity.xml': Buffer.from(orders(order(14, '<note>&nbsp;</note>'))),
  'test/deep.xml': Buffer.from(orders(`${'<order>'.repeat(300)}${'</order>'.repeat(300)}`)),
  'test/bytes.xml': Buffer.concat([
    Buffer.from('<orders><order id="15"><at>'),
    Buffer.from([0xc3, 0x28]),
    Buffer.from('</at></order></orders>'),
  ]),
  'test/unknown.xml': Buffer.from('<?xml version="1.0" encoding="EBCDIC-CP-BE"?><orders/>'),
};

export const refusedOfXml = {
  bad_type: 1,
  invalid_document: 8,
  not_text: 2,
  records_missing: 1,
};
