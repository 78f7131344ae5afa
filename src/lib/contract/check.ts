/** What one part of a contract says of another: names that are there, types that fit. */
import type { z } from 'zod';
import { checkExpression, valueTypeOf } from '../expression/check.ts';
import { ExpressionError, parseExpression } from '../expression/parse.ts';
import { checkRange } from './expectationSchema.ts';
import { isNumber } from './parts.ts';
import { isBelow } from './path.ts';
import type { Contract } from './schema.ts';

/** Adds an issue, with its place, for each fault. */
export function checkContract(contract: Contract, context: z.core.$RefinementCtx): void {
  const issue = (path: (string | number)[], message: string) =>
    context.addIssue({ code: 'custom', path, message });
  const types = new Map<string, { type: string; required: boolean }>();
  const declare = (path: (string | number)[], name: string, type: string, required: boolean) => {
    if (types.has(name)) issue(path, `the column "${name}" is there already`);
    types.set(name, { type, required });
  };
  const known = (path: (string | number)[], name: string, allowed?: readonly string[]) => {
    const column = types.get(name);
    if (!column) issue(path, `there is no column "${name}"`);
    else if (allowed && !allowed.includes(column.type))
      issue(path, `the column "${name}" is ${column.type}, it must be ${allowed.join(' or ')}`);
    return column;
  };
  contract.columns.forEach((c, i) => {
    declare(['columns', i, 'name'], c.name, c.type, c.required);
    const isArray = contract.explode !== undefined && c.path === contract.explode && c.type !== 'json';
    if (isArray && c.type.startsWith('array<'))
      issue(['columns', i, 'type'], 'is that of one element: the array is exploded');
  });
  if (contract.explode?.includes('[*]')) issue(['explode'], 'may not have [*]');
  contract.flatten.forEach((f, i) => {
    if (f.path.includes('[')) issue(['flatten', i, 'path'], 'goes through objects only');
    if (contract.explode !== undefined && isBelow(f.path, contract.explode))
      issue(['flatten', i, 'path'], 'lies in the exploded array, whose elements are no object of the record');
  });
  const readable = new Map(contract.columns.map((c) => [c.name, c.type]));
  const checkType = (
    path: (string | number)[],
    text: string,
    type: string,
    columns: ReadonlyMap<string, string> = readable,
  ) => {
    try {
      const found = checkExpression(parseExpression(text), columns).type;
      const wanted = valueTypeOf(type);
      const fits = found === wanted || found === 'null' || (wanted === 'number' && found === 'integer');
      if (!fits) issue(path, `gives ${found}, not ${type}`);
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      issue(path, error.message);
    }
  };
  contract.derive.forEach((d, i) => {
    checkType(['derive', i, 'expression'], d.expression, d.type);
    declare(['derive', i, 'name'], d.name, d.type, false);
  });
  if (contract.filter !== undefined) checkType(['filter'], contract.filter, 'boolean');
  contract.enrich.forEach((e, i) => {
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
  contract.dedupe?.key.forEach((name, i) => {
    const column = known(['dedupe', 'key', i], name);
    if (column && !column.required) issue(['dedupe', 'key', i], `the key column "${name}" must be required`);
  });
  if (contract.dedupe?.scope === 'published')
    contract.dedupe.key.forEach((name, i) => {
      known(['dedupe', 'key', i], name, ['string', 'int', 'bigint', 'date']);
    });
  contract.dedupe?.order.forEach((o, i) => {
    known(['dedupe', 'order', i, 'column'], o.column);
  });
  contract.partitionBy.forEach((p, i) => {
    if ('of' in p) {
      const column = known(['partitionBy', i, 'of'], p.of, ['timestamp', 'date']);
      if (column?.type === 'date' && p.part === 'hour')
        issue(['partitionBy', i, 'part'], `the date "${p.of}" has no hour`);
    }
    declare(['partitionBy', i, 'name'], p.name, 'string', true);
  });
  const partitionKeys = new Set(contract.partitionBy.map((p) => p.name));
  const goldenTypes = new Map(
    [...types].filter(([name]) => !partitionKeys.has(name)).map(([name, { type }]) => [name, type]),
  );
  contract.expectations.forEach((e, i) => {
    const allowed = { in_set: ['string'], regex: ['string'], freshness: ['timestamp'] } as const;
    if (e.check === 'unique')
      e.columns.forEach((name, j) => {
        known(['expectations', i, 'columns', j], name);
      });
    if ('column' in e)
      known(
        ['expectations', i, 'column'],
        e.column,
        e.check in allowed ? allowed[e.check as keyof typeof allowed] : undefined,
      );
    if (e.check === 'matched_share') known(['expectations', i, 'of'], e.of);
    if (e.check === 'predicate')
      checkType(['expectations', i, 'expression'], e.expression, 'boolean', goldenTypes);
    if (e.check === 'range') checkRange(e, types.get(e.column)?.type, (m) => issue(['expectations', i], m));
    if (e.check === 'sum') {
      if (e.min === undefined && e.max === undefined) issue(['expectations', i], 'needs min or max');
      if (!isNumber(types.get(e.column)?.type)) issue(['expectations', i, 'column'], 'must be a number');
    }
    if (e.check === 'row_count' && e.min === undefined && e.max === undefined && !e.lastBatches)
      issue(['expectations', i], 'needs min, max or lastBatches');
  });
}
