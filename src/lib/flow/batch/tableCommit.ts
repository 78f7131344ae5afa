/** What readers of a table see after an attempt's commit. */
import { address } from '../../aws/store.ts';
import { defaultPartition, folderOf, valuesOfPath } from '../../catalog/partitionPath.ts';
import type { Config } from '../../config.ts';
import type { Plan } from '../../model/plan.ts';
import type { Attempt } from '../../model/records.ts';
import type { TableCommit, TableObject } from '../../table/format.ts';
import { withinAttempt } from '../../table/objectName.ts';
import type { Published } from './published.ts';

export function commitOf(
  config: Pick<Config, 'processedBucket'>,
  dataset: string,
  attempt: Attempt,
  { table, contract }: Plan,
  { objects, rewritten }: Published,
): TableCommit {
  const inTable = ({ key }: { key: string }) => placedIn(config, table, key);
  const isOwn = ({ key }: { key: string }) => isOfTable(table, key);
  const addressOf = (key: string | undefined) =>
    key === undefined ? undefined : address({ bucket: config.processedBucket, key });
  const added = [...objects, ...rewritten.flatMap((r) => r.added.objects)];
  return {
    dataset,
    attempt,
    contract,
    add: added.filter(isOwn).map((object) => ({
      ...inTable(object),
      bytes: object.bytes,
      restOf: addressOf(object.restOf),
    })),
    drop: rewritten
      .flatMap((r) => r.dropped.objects)
      .filter(isOwn)
      .map((object) => ({ ...inTable(object), deletes: addressOf(object.deletes) })),
    deletes: rewritten
      .flatMap(({ hidden = [] }) => hidden)
      .map(({ key, by, replaces }) => ({
        ...inTable({ key }),
        by: { address: inTable(by).address, bytes: by.bytes, rows: by.rows },
        replaces: addressOf(replaces),
      })),
  };
}

/** Whether an object is below a table. A dataset whose contract named another table earlier has objects there, too. */
export const isOfTable = (table: string, key: string): boolean => key.startsWith(`${table}/`);

/** An object of a table, with the values of its partition that its folder tells. */
export const placedIn = (
  { processedBucket: bucket }: Pick<Config, 'processedBucket'>,
  table: string,
  key: string,
): Pick<TableObject, 'address' | 'values'> => ({
  address: address({ bucket, key }),
  values: valuesOfPath(folderOf(withinAttempt(key.slice(`${table}/`.length)))).map((value) =>
    value === defaultPartition ? null : value,
  ),
});
