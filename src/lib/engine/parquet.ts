/** Looks at a Parquet file: its footer has the row groups, and the schema of its records. https://parquet.apache.org/docs/file-format/ */
import { type FileMetaData, parquetMetadata, parquetSchema, type SchemaTree } from 'hyparquet';
import { formatPath, type PathStep } from '../contract/path.ts';
import type { RowGroup } from '../model/layout.ts';
import type { RangedFile } from './zip.ts';

export interface ParquetLook {
  readonly groups: readonly RowGroup[];
  /** A record with a value of each type. */
  readonly example: object;
  /** The types of a contract for values whose text does not tell them, by path: decimals, and maps as json. */
  readonly declared: ReadonlyMap<string, string>;
  /** The estimated bytes of the records as text. */
  readonly unpacked: number;
}

/** The maximum size of a footer. */
const mostFooter = 16 * 1024 * 1024;
const mostGroups = 100_000;

/** Whether a file begins like Parquet. */
export const isParquet = (head: Uint8Array): boolean =>
  Buffer.from(head.subarray(0, 4)).toString('latin1') === 'PAR1';

/** Whether its footer is encrypted. */
export const isEncryptedParquet = (head: Uint8Array): boolean =>
  Buffer.from(head.subarray(0, 4)).toString('latin1') === 'PARE';

/** Null if the footer is damaged or says what cannot be. */
export async function parquetOf(file: RangedFile): Promise<ParquetLook | null> {
  if (file.size < 12) return null;
  const end = Buffer.from(await file.read(file.size - 8, file.size));
  if (end.length < 8 || end.toString('latin1', 4) !== 'PAR1') return null;
  const length = end.readUInt32LE();
  if (length > mostFooter || length + 12 > file.size) return null;
  const footer = await file.read(file.size - length - 8, file.size);
  const metadata = metadataOf(footer);
  if (metadata === null || metadata.row_groups.length > mostGroups) return null;
  let row = 0;
  const groups: RowGroup[] = [];
  for (const group of metadata.row_groups) {
    const rows = Number(group.num_rows);
    const places = group.columns.flatMap(({ meta_data: m }) => {
      if (m === undefined) return [];
      const start = Number(m.dictionary_page_offset || m.data_page_offset);
      return [
        [Math.min(start, Number(m.data_page_offset)), start + Number(m.total_compressed_size)] as const,
      ];
    });
    if (places.length === 0 && rows > 0) return null;
    const [from, to] = [Math.min(...places.map(([a]) => a)), Math.max(...places.map(([, b]) => b))];
    const isPossible = rows >= 0 && from >= 4 && to > from && to <= file.size - length - 8;
    // Overlapping row groups would make much of few bytes.
    if (rows > 0 && (!isPossible || from < (groups.at(-1)?.end ?? 0))) return null;
    if (rows > 0) groups.push({ row, rows, start: from, end: to });
    row += rows;
  }
  const columns = metadata.schema.filter(({ num_children: n }) => !n).length;
  const bytes = metadata.row_groups.reduce((sum, { total_byte_size: n }) => sum + Number(n), 0);
  return {
    groups,
    ...schemaOf(metadata),
    // Names and quotes around each value.
    unpacked: 2 * bytes + row * columns * 16,
  };
}

/** A footer of a stranger may make the parser fail in any way. */
function metadataOf(footer: Uint8Array): FileMetaData | null {
  try {
    const { buffer, byteOffset, byteLength } = footer;
    return parquetMetadata(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
  } catch {
    return null;
  }
}

function schemaOf(metadata: FileMetaData): Pick<ParquetLook, 'example' | 'declared'> {
  try {
    const { children } = parquetSchema(metadata);
    const declared = new Map<string, string>();
    for (const child of children) declare(child, [], declared);
    return {
      example: Object.fromEntries(children.map((child) => [child.element.name, valueIn(child, 0)])),
      declared,
    };
  } catch {
    return { example: {}, declared: new Map() };
  }
}

/** Adds the types of a field and, of a group, those of its fields. */
function declare(
  { element, children }: SchemaTree,
  above: readonly PathStep[],
  found: Map<string, string>,
): void {
  const steps: readonly PathStep[] = [...above, { kind: 'key', key: element.name }];
  const path = formatPath(steps);
  const { converted_type: converted, logical_type: logical, repetition_type: repetition } = element;
  const meaning = converted ?? logical?.type;
  if (path === null || steps.length > 30 || repetition === 'REPEATED' || meaning === 'LIST') return;
  const { precision = 0, scale = 0 } = logical?.type === 'DECIMAL' ? logical : element;
  if (meaning === 'DECIMAL' && precision <= 38) found.set(path, `decimal(${precision},${scale})`);
  else if (meaning === 'MAP' || meaning === 'MAP_KEY_VALUE') found.set(path, 'json');
  else for (const child of children) declare(child, steps, found);
}

/** A value of a type, as a record has it. */
function valueIn({ element, children }: SchemaTree, depth: number): unknown {
  const { type, converted_type: converted, logical_type: logical, repetition_type: repetition } = element;
  if (depth > 30) return '';
  if (converted === 'LIST' || logical?.type === 'LIST') {
    const [list] = children;
    const [item] = list?.children ?? [];
    const isPlain = list === undefined || (list.children.length === 1 && item !== undefined);
    return isPlain && item !== undefined ? [valueIn(item, depth + 1)] : [];
  }
  if (converted === 'MAP' || converted === 'MAP_KEY_VALUE' || logical?.type === 'MAP') return {};
  const value =
    children.length > 0
      ? Object.fromEntries(children.map((child) => [child.element.name, valueIn(child, depth + 1)]))
      : scalarOf(type, converted ?? logical?.type);
  return repetition === 'REPEATED' ? [value] : value;
}

function scalarOf(type: string | undefined, meaning: string | undefined): unknown {
  if (meaning !== undefined && !/^U?INT/.test(meaning)) return '';
  if (type === 'BOOLEAN') return true;
  if (type === 'INT32') return 1;
  if (type === 'INT64') return 2 ** 40;
  return type === 'FLOAT' || type === 'DOUBLE' ? 0.5 : '';
}
