/**
 * Reads the records of XML files as lines of JSON. glue/sluice/xml_records.py writes the same bytes: both are tested with the same files.
 * https://www.w3.org/TR/xml/
 */
import { SaxesParser } from 'saxes';
import { explodesOf } from '../contract/documents.ts';
import { encodings } from '../contract/encodings.ts';
import { parsePath } from '../contract/path.ts';
import type { Contract } from '../contract/schema.ts';
import type { CsvBody, XmlConversion } from '../model/layout.ts';
import { maxRecordBytes } from '../model/plan.ts';
import { tableOf } from './csvStart.ts';
import { ConversionFailed } from './packedBytes.ts';
import { textOf } from './textOf.ts';

/** The maximum depth of elements. The same limits are in glue/sluice/xml_records.py. */
const deepest = 200;
/** The longest part of a file without a tag, in characters. A parser holds some of it. */
const longestGap = 64 * 1024 * 1024;

/** The elements that a contract reads as lists, by their paths: where a path takes elements of an array, or explodes it. */
export function xmlLists(contract: Contract): string[] {
  const paths = [
    ...contract.columns.map(({ path }) => path),
    ...explodesOf(contract).flatMap(({ path, isMap }) => (isMap ? [] : [`${path}[*]`])),
  ];
  const lists = paths.flatMap((path) => {
    const steps = parsePath(path);
    return steps.flatMap((step, i) => {
      const above = steps.slice(0, i).flatMap((s) => (s.kind === 'key' ? [s.key] : []));
      return step.kind === 'key' ? [] : [above.join('/')];
    });
  });
  return [...new Set(lists)].sort();
}

/** The encoding of a file by its mark or its declaration; null for UTF-8, undefined if it is not read. */
export function xmlEncoding(start: Uint8Array): CsvBody['encoding'] | undefined {
  const [a, b, c, d] = start;
  if ((a === 0xff && b === 0xfe) || (a === 0x3c && b === 0 && c === 0x3f && d === 0))
    return { name: 'utf-16le' };
  if ((a === 0xfe && b === 0xff) || (a === 0 && b === 0x3c && c === 0 && d === 0x3f))
    return { name: 'utf-16be' };
  if (a === 0xef && b === 0xbb) return null;
  const written = Buffer.from(start.subarray(0, 1024)).toString('latin1');
  const [, , declared = 'utf-8'] =
    /^<\?xml[^>]*?\sencoding\s*=\s*(["'])([A-Za-z0-9._-]+)\1/.exec(written) ?? [];
  const name = declared.toLowerCase();
  if (name === 'utf-8' || name === 'utf8' || name === 'us-ascii' || name === 'ascii') return null;
  const known = encodings.find((encoding) => encoding === (name === 'latin1' ? 'iso-8859-1' : name));
  return known === undefined || known.startsWith('utf') ? undefined : { name: known, table: tableOf(known) };
}

/** A document type without declarations of its own: those of entities could make much of few bytes. */
const plainDoctype =
  /^[ \t\r\n]+[\p{L}_:][\p{L}\p{N}_:.-]*(?:[ \t\r\n]+(?:SYSTEM|PUBLIC[ \t\r\n]+(?:"[-'()+,./:=?;!*#@$_%a-zA-Z0-9 \r\n]*"|'[-()+,./:=?;!*#@$_%a-zA-Z0-9 \r\n]*'))[ \t\r\n]+(?:"[^"]*"|'[^']*'))?[ \t\r\n]*$/u;

/** A parser that throws ConversionFailed for what is not well-formed, and for a document type that is not allowed. */
export function openXmlParser(
  isAllowed: (doctype: string) => boolean,
): SaxesParser<{ xmlns: false; position: false }> {
  const parser = new SaxesParser({
    xmlns: false,
    position: false,
    defaultXMLVersion: '1.0',
    forceXMLVersion: true,
  });
  parser.on('error', (error) => {
    throw new ConversionFailed('invalid_document', { cause: error });
  });
  parser.on('doctype', (doctype) => {
    if (!isAllowed(doctype)) throw new ConversionFailed('invalid_document');
  });
  return parser;
}

/** An element of a record while it is read. */
interface Element {
  readonly name: string;
  /** From the record to the element. */
  readonly path: string;
  /** The fields of its attributes, then those of the elements in it. */
  readonly fields: Map<string, string[]>;
  text: string;
  isNil: boolean;
}

/**
 * The records as lines of JSON. Throws ConversionFailed if the file is not well-formed, has a document type with declarations of its own, or has a
 * record that is too large.
 */
export async function* xmlLines(
  source: AsyncIterable<Uint8Array>,
  conversion: XmlConversion,
): AsyncGenerator<Buffer> {
  const lines: string[] = [];
  const parser = recordParser(conversion, (line) => lines.push(line));
  for await (const text of textOf(source, conversion.encoding)) {
    parser.write(text);
    if (lines.length > 0) yield Buffer.from(`${lines.splice(0).join('\n')}\n`);
  }
  parser.end();
  if (lines.length > 0) yield Buffer.from(`${lines.join('\n')}\n`);
}

function recordParser({ record, lists }: XmlConversion, give: (line: string) => void) {
  const parser = openXmlParser((doctype) => plainDoctype.test(doctype));
  const listed = new Set(lists);
  const above: string[] = [];
  const open: Element[] = [];
  let size = 0;
  let gap = 0;
  let isBlank = true;
  let hasChildren = false;
  let found = 0;
  const grow = (by: number) => {
    size += by;
    if (size > maxRecordBytes) throw new ConversionFailed('record_too_large');
  };
  const addText = (text: string) => {
    const element = open.at(-1);
    if (element === undefined) return;
    grow(text.length);
    element.text += text;
  };
  parser.on('opentag', ({ name, attributes }) => {
    gap = 0;
    if (above.length > 0) hasChildren = true;
    above.push(name);
    if (above.length > deepest) throw new ConversionFailed('invalid_document');
    const parent = open.at(-1);
    if (parent === undefined && !isRecord(above, record)) return;
    if (parent === undefined) size = 0;
    const element: Element = {
      name,
      path: parent === undefined ? '' : parent.path === '' ? name : `${parent.path}/${name}`,
      fields: new Map(),
      text: '',
      isNil: false,
    };
    grow(2 * name.length + 5);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === 'xmlns' || key.startsWith('xmlns:')) continue;
      if (localName(key) === 'nil' && key !== 'nil') {
        element.isNil = value === 'true' || value === '1';
        continue;
      }
      grow(key.length + value.length + 6);
      element.fields.set(`@${key}`, [JSON.stringify(value)]);
    }
    open.push(element);
  });
  parser.on('text', addText);
  parser.on('cdata', addText);
  parser.on('closetag', () => {
    gap = 0;
    above.pop();
    const element = open.pop();
    if (element === undefined) return;
    const parent = open.at(-1);
    const value = jsonOf(element, listed);
    if (parent === undefined) {
      found++;
      give(value.startsWith('{') ? value : `{"#text":${value}}`);
    } else {
      const values = parent.fields.get(element.name);
      if (values === undefined) parent.fields.set(element.name, [value]);
      else values.push(value);
    }
  });
  return {
    write(text: string) {
      gap += text.length;
      isBlank &&= !/[^ \t\r\n]/.test(text);
      if (text.length > 0) parser.write(text);
      if (gap > longestGap) throw new ConversionFailed('invalid_document');
    },
    /** A file without records has a fault, unless it is blank or its root element is empty. */
    end() {
      if (isBlank) return;
      parser.close();
      if (found === 0 && hasChildren) throw new ConversionFailed('records_missing');
    },
  };
}

/** Whether the last elements are those of the record's path. A name without a prefix fits any prefix. */
const isRecord = (above: readonly string[], record: readonly string[]): boolean =>
  above.length >= record.length &&
  record.every((name, i) => {
    const element = above[above.length - record.length + i] ?? '';
    return element === name || localName(element) === name;
  });

/** A name without its prefix. */
export const localName = (name: string): string => name.slice(name.indexOf(':') + 1);

/**
 * An element as JSON: a text, or an object with attributes (`@id`), elements and text (`#text`). An element that is repeated, or that the
 * contract reads as a list, is an array. One without content is null.
 */
function jsonOf({ path, fields, text, isNil }: Element, lists: ReadonlySet<string>): string {
  const trimmed = text.replaceAll(/^[ \t\r\n]+|[ \t\r\n]+$/g, '');
  if (isNil && fields.size === 0) return 'null';
  if (fields.size === 0) return trimmed === '' ? 'null' : JSON.stringify(text);
  const parts = [...fields].map(([name, values]) => {
    const isList = values.length > 1 || lists.has(path === '' ? name : `${path}/${name}`);
    return `${JSON.stringify(name)}:${isList ? `[${values.join(',')}]` : values[0]}`;
  });
  if (trimmed !== '') parts.push(`"#text":${JSON.stringify(trimmed)}`);
  return `{${parts.join(',')}}`;
}
