/** Glue's jobs. */
import {
  ConcurrentRunsExceededException,
  GetJobRunCommand,
  type GlueClient,
  OperationTimeoutException,
  ResourceNumberLimitExceededException,
  StartJobRunCommand,
} from '@aws-sdk/client-glue';
import { EngineBusy } from '../errors.ts';

/** The jobs of a stage. */
export const jobsOf = (client: GlueClient) => ({
  /**
   * Returns the run's id. Throws EngineBusy if the job or the account is at its limit of concurrent runs, or if Glue did not
   * answer in time: if that run was started, it writes to its own location.
   */
  async startJob(job: string, args: Readonly<Record<string, string>>): Promise<string> {
    try {
      const { JobRunId } = await client.send(
        new StartJobRunCommand({ JobName: job, Arguments: { ...args } }),
      );
      return JobRunId ?? '';
    } catch (error) {
      if (isBusy(error))
        throw new EngineBusy(`Glue does not start the job ${job} now: ${error.name}: ${error.message}`, {
          cause: error,
        });
      throw error;
    }
  },

  async jobRun(job: string, run: string): Promise<{ state: string; message: string | undefined }> {
    const { JobRun } = await client.send(new GetJobRunCommand({ JobName: job, RunId: run }));
    return { state: JobRun?.JobRunState ?? 'UNKNOWN', message: JobRun?.ErrorMessage };
  },
});

const isBusy = (error: unknown): error is Error =>
  error instanceof ConcurrentRunsExceededException ||
  error instanceof ResourceNumberLimitExceededException ||
  error instanceof OperationTimeoutException;
