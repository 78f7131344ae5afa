/**
 * RepairPartitions: CompleteBatch registers the same partitions again, because somebody may have dropped the table in between.
 */
export { registerPartitions as repairPartitions } from '../batch/partitions.ts';
