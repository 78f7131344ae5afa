/** Checks references between parts of a contract: existing names, matching types. */
import type { z } from 'zod';
import { checkExpression, valueTypeOf } from '../expression/check.ts';
import { ExpressionError, parseExpression } from '../expression/parse.ts';
import { isChangeField, withChange } from './changes.ts';
import { earlierNames, enrichedColumns, helpersOf, isPublished } from './columns.ts';
import { comparesPublished, hasFlatTexts, tableFormatOf, tableOf } from './contract.ts';
import { explodesOf } from './documents.ts';
import { checkRange } from './expectationSchema.ts';
import { versionTypes, withHistory } from './history.ts';
import { isNumber } from './parts.ts';
import { firstKey, hasEach, isBelow, objectKey, parsePath } from './path.ts';
import { type Contract, contractShape, type Expectation, type TransformKey } from './schema.ts';
import { textNames } from './textFormat.ts';

/** Adds an issue, with its place, for each fault. */
function checkContract(contract: Contract, context: z.core.$RefinementCtx): void {
  const scope = openScope(context);
  checkTable(contract, scope);
  checkChange(contract, scope);
  checkFlat(contract, scope);
  checkColumns(contract, scope);
  checkDocuments(contract, scope);
  checkFlatten(contract, scope);
  checkExpressions(contract, scope);
  checkEnrichments(contract, scope);
  checkDedupe(contract, scope);
  checkHistory(contract, scope);
  checkLoad(contract, scope);
  checkPartitions(contract, scope);
  checkRenames(contract, scope);
  checkDropped(contract, scope);
  const declared = scope.types().size;
  if (declared > maxColumns)
    scope.issue(
      ['columns'],
      `the contract declares ${declared} columns, partition keys among them, and may declare ${maxColumns}; gather fields that belong together in a column of type json`,
    );
  const partitionKeys = new Set(contract.partitionBy.map((p) => p.name));
  const helpers = helpersOf(contract);
  const published = new Map(
    [...scope.types()].filter(([name]) => !partitionKeys.has(name) && !helpers.has(name)),
  );
  if (published.size === 0) scope.issue(['columns'], 'publish nothing: a table has a column at least');
  contract.expectations.forEach((e, i) => {
    checkExpectation(e, ['expectations', i], { published, helpers }, scope);
  });
}

/** The maximum number of columns. With as many from the Catalog, a batch needs a gigabyte, because engines keep 2,048 values of each column in each step. */
const maxColumns = 1000;

type Place = readonly (string | number)[];
type Scope = ReturnType<typeof openScope>;

/** The columns declared so far, and the issues. */
function openScope(context: z.core.$RefinementCtx) {
  const columns = new Map<string, { type: string; required: boolean }>();
  const issue = (path: Place, message: string) =>
    context.addIssue({ code: 'custom', path: [...path], message });
  return {
    issue,
    /** Name -> Hive type. */
    types: (): Map<string, string> => new Map([...columns].map(([name, { type }]) => [name, type])),
    declare(path: Place, name: string, type: string, required: boolean) {
      if (columns.has(name)) issue(path, `the column "${name}" is there already`);
      columns.set(name, { type, required });
    },
    /** The column with this name. Adds an issue if it does not exist or its type is not in `allowed`. */
    known(path: Place, name: string, allowed?: readonly string[]) {
      const column = columns.get(name);
      if (!column) issue(path, `there is no column "${name}"`);
      else if (allowed && !allowed.includes(column.type))
        issue(path, `the column "${name}" is ${column.type}, it must be ${allowed.join(' or ')}`);
      return column;
    },
    /** Checks an expression over the columns `among`. Gives its Hive type. */
    gives(path: Place, text: string, type: string, among: ReadonlyMap<string, string>) {
      try {
        const found = checkExpression(parseExpression(text), among).type;
        const wanted = valueTypeOf(type);
        const fits = found === wanted || found === 'null' || (wanted === 'number' && found === 'integer');
        if (!fits) issue(path, `gives ${found}, not ${type}`);
      } catch (error) {
        if (!(error instanceof ExpressionError)) throw error;
        issue(path, error.message);
      }
    },
  };
}

/** Sluice's own tables are in the same database. */
function checkTable(contract: Contract, { issue }: Scope): void {
  const table = tableOf(contract);
  if (table === 'quarantine' || /^(raw|staging)_/.test(table))
    issue(
      contract.table === undefined ? ['dataset'] : ['table'],
      `the table "${table}" may be one of Sluice's own (quarantine, raw_… and staging_…); give another name as table`,
    );
}

function checkChange({ source, dedupe, flatten, drift }: Contract, { issue }: Scope): void {
  if (source.change === undefined) return;
  if (dedupe === undefined)
    issue(
      ['source', 'change'],
      'needs dedupe: { key: […] }, which names the columns of the key of the table',
    );
  if (flatten.length > 0)
    issue(
      ['flatten'],
      'does not go with source.change: the Data Catalog knows the records, not the rows in them',
    );
  if (drift === 'passthrough')
    issue(
      ['drift'],
      'may not be passthrough with source.change: the Data Catalog knows the records, not the rows in them',
    );
}

/** Checks what a contract reads from a CSV or a text, whose fields are texts with the names of a header. */
function checkFlat({ source, columns, parse = {} }: Contract, { issue }: Scope): void {
  if (!hasFlatTexts(source)) return;
  const [what, place] =
    source.text !== undefined
      ? ['text', 'text']
      : source.formats.includes('xlsx')
        ? ['sheet', 'xlsx.header']
        : ['CSV', 'csv.header'];
  const given = source.text === undefined ? (source.xlsx ?? source.csv)?.header : textNames(source.text);
  const header = Array.isArray(given) ? given : undefined;
  columns.forEach(({ path }, i) => {
    if (path === objectKey || (source.change !== undefined && isChangeField(path))) return;
    if (parsePath(path).length > 1 && !Object.keys(parse).some((text) => isBelow(path, text)))
      issue(
        ['columns', i, 'path'],
        `a field of a ${what} holds no others, unless parse reads it as JSON; a name with dots or brackets stands in double quotes`,
      );
    else if (header && !header.includes(firstKey(path)))
      issue(['columns', i, 'path'], `source.${place} has no field "${firstKey(path)}"`);
  });
}

function checkColumns(contract: Contract, { declare, issue }: Scope): void {
  const exploded = explodesOf(contract);
  contract.columns.forEach((c, i) => {
    declare(['columns', i, 'name'], c.name, c.type, c.required);
    if (exploded.some(({ path }) => c.path === path) && c.type.startsWith('array<'))
      issue(['columns', i, 'type'], 'is that of one element: the array is exploded');
  });
}

/** Checks `explode` and `parse`. */
function checkDocuments(contract: Contract, { issue }: Scope): void {
  explodesOf(contract).forEach(({ path }) => {
    if (hasEach(path)) issue(['explode'], 'may not have [*]: name each array, as in [orders, orders.items]');
  });
  for (const path of Object.keys(contract.parse ?? {}))
    if (hasEach(path))
      issue(['parse', path], 'may not have [*]: explode the array, and name its elements as in items.text');
  if (
    hasFlatTexts(contract.source) &&
    explodesOf(contract).some(
      ({ path }) => !Object.keys(contract.parse ?? {}).some((text) => isBelow(path, text)),
    )
  )
    issue(
      ['explode'],
      `a field of a ${contract.source.text === undefined ? 'CSV' : 'text'} holds no array, unless parse reads it as JSON`,
    );
}

function checkFlatten(contract: Contract, { issue }: Scope): void {
  const exploded = explodesOf(contract);
  contract.flatten.forEach(({ path }, i) => {
    if (parsePath(path).some((step) => step.kind !== 'key'))
      issue(['flatten', i, 'path'], 'goes through objects only');
    if (exploded.some((array) => isBelow(path, array.path)))
      issue(['flatten', i, 'path'], 'lies in the exploded array, whose elements are no object of the record');
  });
}

/** They read the contract's own columns, not derived ones. */
function checkExpressions({ columns, derive, filter, when }: Contract, { declare, gives }: Scope): void {
  const readable = new Map(columns.map((c) => [c.name, c.type]));
  derive.forEach((d, i) => {
    gives(['derive', i, 'expression'], d.expression, d.type, readable);
    declare(['derive', i, 'name'], d.name, d.type, false);
  });
  if (filter !== undefined) gives(['filter'], filter, 'boolean', readable);
  if (when !== undefined) gives(['when'], when, 'boolean', readable);
}

function checkEnrichments({ enrich }: Contract, { declare, known }: Scope): void {
  enrich.forEach((e, i) => {
    if (e.kind === 'lookup') {
      for (const name of Object.keys(e.on))
        known(['enrich', i, 'on', name], name, ['string', 'int', 'bigint']);
      for (const name of Object.keys(e.columns))
        declare(['enrich', i, 'columns', name], name, 'string', false);
    } else {
      known(['enrich', i, 'latitude'], e.latitude, ['double']);
      known(['enrich', i, 'longitude'], e.longitude, ['double']);
      declare(['enrich', i, 'column'], e.column, 'string', false);
    }
  });
}

function checkDedupe(contract: Contract, { known, gives, issue }: Scope): void {
  const { dedupe } = contract;
  checkDeletes(contract, { gives, issue });
  const helpers = helpersOf(contract);
  const isOfTable = dedupe !== undefined && comparesPublished(dedupe);
  // Both engines read these from published objects exactly as they wrote them.
  const allowed = isOfTable ? publishedKeyTypes : undefined;
  dedupe?.key.forEach((name, i) => {
    const column = known(['dedupe', 'key', i], name, allowed);
    if (column && helpers.has(name))
      issue(['dedupe', 'key', i], `the key column "${name}" must be published`);
    // A row without a value in a derived key is quarantined, as one without a value in a required column.
    const isDerived = contract.derive.some((d) => d.name === name);
    if (column && !column.required && !isDerived)
      issue(['dedupe', 'key', i], `the key column "${name}" must be required`);
  });
  dedupe?.order.forEach((o, i) => {
    const column = known(['dedupe', 'order', i, 'column'], o.column);
    if (isOfTable && column?.type.startsWith('array<'))
      issue(['dedupe', 'order', i, 'column'], `the column "${o.column}" is a list, and lists have no order`);
    if (helpers.has(o.column))
      issue(['dedupe', 'order', i, 'column'], `the column "${o.column}" must be published`);
  });
}

function checkHistory({ history, dedupe, columns, partitionBy, load }: Contract, { issue }: Scope): void {
  if (history === undefined) return;
  const at = ['history'];
  if (load !== undefined) issue(at, 'goes without load: a snapshot does not say since when a row is valid');
  if (dedupe === undefined) {
    if (load === undefined) issue(at, 'needs dedupe, which names the key and the order of its versions');
    return;
  }
  const [version] = dedupe.order;
  if (dedupe.scope !== 'table')
    issue(['dedupe', 'scope'], 'must be table with a history: the versions of a key may be in any partition');
  if (version === undefined || dedupe.order.length !== 1 || version.direction !== 'desc') {
    issue(
      ['dedupe', 'order'],
      'must have one column with a history, with the direction desc: it says since when a version is valid',
    );
    return;
  }
  if (dedupe.truncateWhen !== undefined)
    issue(['dedupe', 'truncateWhen'], 'does not go with a history: a truncate is no version of a key');
  const column = columns.find(({ name }) => name === version.column);
  if (column === undefined)
    issue(['dedupe', 'order', 0, 'column'], 'must be one of columns with a history, and not a derived one');
  else if (!versionTypes.some((type) => type === column.type) || !column.required)
    issue(
      ['dedupe', 'order', 0, 'column'],
      `the column "${column.name}" must be required with a history, and of type ${versionTypes.join(', ')}`,
    );
  partitionBy.forEach((key, i) => {
    if ('of' in key && (key.of === history.validTo || key.of === history.current))
      issue(['partitionBy', i], `may not be by "${key.of}": it changes when another version arrives`);
  });
}

/** The types of keys by which published rows are found. */
const publishedKeyTypes = ['string', 'int', 'bigint', 'date'];

function checkLoad(contract: Contract, { known, issue }: Scope): void {
  const { load, dedupe } = contract;
  if (load === undefined) return;
  if (dedupe !== undefined)
    issue(['load'], 'goes without dedupe: all rows of the newest snapshot stay, also those with equal keys');
  const at = ['load', 'by'];
  const column = known(at, load.by, publishedKeyTypes);
  if (column && !column.required) issue(at, `the column "${load.by}" must be required`);
  if (helpersOf(contract).has(load.by)) issue(at, `the column "${load.by}" must be published`);
}

function checkDeletes({ columns, dedupe }: Contract, { gives, issue }: Pick<Scope, 'gives' | 'issue'>): void {
  if (dedupe?.keepDeletesDays !== undefined && dedupe.deleteWhen === undefined)
    issue(['dedupe', 'keepDeletesDays'], 'goes with deleteWhen');
  if (dedupe?.truncateWhen !== undefined) {
    const at = ['dedupe', 'truncateWhen'];
    gives(at, dedupe.truncateWhen, 'boolean', new Map(columns.map((c) => [c.name, c.type])));
    const [first] = dedupe.order;
    if (dedupe.deleteWhen === undefined) issue(at, 'goes with deleteWhen');
    if (dedupe.scope !== 'table') issue(at, 'goes with the scope table: it is about all rows of the dataset');
    if (dedupe.order.length !== 1 || first?.direction !== 'desc')
      issue(at, 'needs an order of one column, with the direction desc: rows that are less are older');
  }
  if (dedupe?.deleteWhen === undefined) return;
  const place = ['dedupe', 'deleteWhen'];
  gives(place, dedupe.deleteWhen, 'boolean', new Map(columns.map((c) => [c.name, c.type])));
  if (!comparesPublished(dedupe))
    issue(place, `deletes published rows, and the scope ${dedupe.scope} does not compare them`);
  if (dedupe.order.length === 0)
    issue(place, 'needs an order, which says whether the row or the delete is the newer one');
}

/** Types with short texts as values. */
const ownValueTypes = ['string', 'int', 'bigint', 'boolean', 'date'];

/** The types of columns that a transform accepts. */
const typesOfTransforms: Readonly<Record<TransformKey['transform'], readonly string[]>> = {
  year: ['timestamp', 'date'],
  month: ['timestamp', 'date'],
  day: ['timestamp', 'date'],
  hour: ['timestamp'],
  bucket: ['string', 'int', 'bigint', 'date', 'timestamp'],
  truncate: ['string', 'int', 'bigint'],
};

function checkPartitions(contract: Contract, { known, declare, issue }: Scope): void {
  const { partitionBy, enrich } = contract;
  const helpers = helpersOf(contract);
  const enriched = new Set(enrichedColumns({ enrich }).map((c) => c.name));
  const times = new Set<string>();
  partitionBy.forEach((p, i) => {
    if ('transform' in p) {
      const issueHere = (message: string) => issue(['partitionBy', i], message);
      if (tableFormatOf(contract) !== 'iceberg')
        issueHere('is a transform, which only table: { format: iceberg } has');
      known(['partitionBy', i], p.of, typesOfTransforms[p.transform]);
      if (enriched.has(p.of))
        issueHere(`the column "${p.of}" is given by enrich, and known too late for a partition`);
      if (helpers.has(p.of)) issueHere(`the column "${p.of}" must be published`);
      // Other engines reject a table with two of them.
      if (p.width === 0 && times.has(p.of))
        issueHere(`"${p.of}" makes a partition by time already: keep the finest`);
      if (p.width === 0) times.add(p.of);
    } else if ('of' in p && p.part === undefined) {
      known(['partitionBy', i, 'of'], p.of, ownValueTypes);
      if (enriched.has(p.of))
        issue(
          ['partitionBy', i, 'of'],
          `the column "${p.of}" is given by enrich, and known too late for a partition`,
        );
      // The column is the partition key itself, so it is not a column of the table, too.
      if (p.name === p.of) return;
    } else if ('of' in p) {
      const column = known(['partitionBy', i, 'of'], p.of, ['timestamp', 'date']);
      if (column?.type === 'date' && p.part === 'hour')
        issue(['partitionBy', i, 'part'], `the date "${p.of}" has no hour`);
    }
    // DuckDB escapes each byte that is not a letter with three characters, and folder names have at most 255.
    if ('constant' in p && p.name.length + 1 + encodeURIComponent(p.constant).length > 255)
      issue(['partitionBy', i, 'constant'], 'is too long for the name of a folder');
    declare(['partitionBy', i, 'name'], p.name, 'string', true);
  });
}

/** Checks `was`. The table does a rename by the ids of its columns, once, and cannot tell a swap that it has done from one that it has not. */
function checkRenames(contract: Contract, { issue }: Scope): void {
  const columns = (['columns', 'derive'] as const).flatMap((part) =>
    contract[part].map((column, i) => ({
      name: column.name,
      was: earlierNames(column.was),
      column,
      path: [part, i, 'was'],
    })),
  );
  const renamed = columns.filter(({ was }) => was.length > 0);
  const wasOf = new Map(renamed.map(({ name, was }) => [name, was]));
  const seen = new Set<string>();
  for (const { name, was, column, path } of renamed) {
    if (tableFormatOf(contract) !== 'iceberg')
      issue(path, 'renames a column by its id, which only table: { format: iceberg } has');
    if (!isPublished(contract, column))
      issue(path, 'is for a column of the table, and this one is not published');
    for (const earlier of was) {
      if (earlier === name) issue(path, `is the column's own name`);
      if (seen.has(earlier)) issue(path, `names "${earlier}" twice: only one column can have been it`);
      if (contract.partitionBy.some((key) => key.name === earlier))
        issue(path, `names "${earlier}", which is a partition key`);
      seen.add(earlier);
    }
    if (isInCircle(name, wasOf))
      issue(
        path,
        'goes in a circle: rename one of the columns to a third name first, in a contract of its own',
      );
  }
}

function checkDropped(contract: Contract, { types, issue }: Scope): void {
  if (contract.dropped === undefined) return;
  if (tableFormatOf(contract) !== 'iceberg')
    issue(['dropped'], 'drops a column by its id, which only table: { format: iceberg } has');
  const renamed = new Set([...contract.columns, ...contract.derive].flatMap(({ was }) => earlierNames(was)));
  contract.dropped.forEach((name, i) => {
    if (types().has(name)) issue(['dropped', i], `the contract has the column "${name}"`);
    if (renamed.has(name)) issue(['dropped', i], `the column "${name}" is renamed by was`);
  });
}

/** Whether a column was, over other columns of the contract, itself. */
function isInCircle(name: string, wasOf: ReadonlyMap<string, readonly string[]>): boolean {
  const visited = new Set<string>();
  const isBehind = (at: string): boolean =>
    (wasOf.get(at) ?? []).some((earlier) => {
      if (earlier === name) return at !== name;
      if (visited.has(earlier)) return false;
      visited.add(earlier);
      return isBehind(earlier);
    });
  return isBehind(name);
}

/** The types that a check supports; a check that is not listed supports all. */
const typesOfChecks: Readonly<Record<string, readonly string[]>> = {
  in_set: ['string'],
  regex: ['string'],
  freshness: ['timestamp'],
};

function checkExpectation(
  e: Expectation,
  path: Place,
  { published, helpers }: { published: ReadonlyMap<string, string>; helpers: ReadonlySet<string> },
  { known, gives, issue }: Scope,
): void {
  for (const name of [
    ...('column' in e ? [e.column] : []),
    ...('columns' in e ? e.columns : []),
    ...('of' in e ? [e.of] : []),
  ])
    if (helpers.has(name)) issue(path, `the column "${name}" is not published, and Athena sees what is`);
  const type = 'column' in e ? known([...path, 'column'], e.column, typesOfChecks[e.check])?.type : undefined;
  switch (e.check) {
    case 'unique':
      e.columns.forEach((name, i) => {
        known([...path, 'columns', i], name);
      });
      break;
    case 'matched_share':
      known([...path, 'of'], e.of);
      break;
    case 'predicate':
      gives([...path, 'expression'], e.expression, 'boolean', published);
      break;
    case 'range':
      checkRange(e, type, (message) => issue(path, message));
      break;
    case 'sum':
      if (e.min === undefined && e.max === undefined) issue(path, 'needs min or max');
      if (!isNumber(type)) issue([...path, 'column'], 'must be a number');
      break;
    case 'row_count':
      if (e.min === undefined && e.max === undefined && !e.lastBatches)
        issue(path, 'needs min, max or lastBatches');
  }
}

/** The whole contract of one dataset. */
export const contractSchema = contractShape
  .transform(withChange)
  .transform(withHistory)
  .superRefine(checkContract);
