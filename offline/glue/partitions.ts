/** Partition calls of Glue that ministack does not have. */
import { DeletePartitionCommand, EntityNotFoundException } from '@aws-sdk/client-glue';
import { z } from 'zod';
import { ApiError, type Operation } from '../apiError.ts';
import type { Upstream } from '../aws.ts';

const batchDelete = z.object({
  DatabaseName: z.string(),
  TableName: z.string(),
  PartitionsToDelete: z.array(z.object({ Values: z.array(z.string()) })),
});

export const partitionOperations = ({ glue }: Upstream): Record<string, Operation> => ({
  // https://docs.aws.amazon.com/glue/latest/webapi/API_BatchDeletePartition.html
  'AWSGlue.BatchDeletePartition': async (request) => {
    const { PartitionsToDelete, ...table } = batchDelete.parse(request);
    if (PartitionsToDelete.length > 25)
      throw new ApiError('InvalidInputException', 'PartitionsToDelete has at most 25 partitions');
    const Errors: unknown[] = [];
    for (const { Values } of PartitionsToDelete)
      try {
        await glue.send(new DeletePartitionCommand({ ...table, PartitionValues: Values }));
      } catch (error) {
        if (!(error instanceof EntityNotFoundException)) throw error;
        Errors.push({
          PartitionValues: Values,
          ErrorDetail: { ErrorCode: error.name, ErrorMessage: error.message },
        });
      }
    return { Errors };
  },
});
