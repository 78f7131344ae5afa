/** What readers of a table see after an attempt's commit. */
import { address } from '../../aws/store.ts';
import { defaultPartition, folderOf, valuesOfPath } from '../../catalog/partitionPath.ts';
import type { Config } from '../../config.ts';
import type { Plan } from '../../model/plan.ts';
import type { Attempt } from '../../model/records.ts';
import type { TableCommit } from '../../table/format.ts';
import { withinAttempt } from '../../table/objectName.ts';
import type { Published } from './published.ts';

export function commitOf(
  config: Pick<Config, 'processedBucket'>,
  dataset: string,
  attempt: Attempt,
  { table, contract }: Plan,
  { objects, rewritten }: Published,
): TableCommit {
  const inTable = ({ key }: { key: string }) => ({
    address: address({ bucket: config.processedBucket, key }),
    values: valuesOfPath(folderOf(withinAttempt(key.slice(`${table}/`.length)))).map((value) =>
      value === defaultPartition ? null : value,
    ),
  });
  const added = [...objects, ...rewritten.flatMap((r) => r.added.objects)];
  return {
    dataset,
    attempt,
    contract,
    add: added.map((object) => ({
      ...inTable(object),
      bytes: object.bytes,
      restOf: object.restOf && address({ bucket: config.processedBucket, key: object.restOf }),
    })),
    drop: rewritten.flatMap((r) => r.dropped.objects).map(inTable),
  };
}
