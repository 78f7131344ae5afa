/** RepairPartitions: CompleteBatch registers the same partitions again, since somebody may have dropped the table in between. */
export { registerPartitions as repairPartitions } from '../batch/partitions.ts';
