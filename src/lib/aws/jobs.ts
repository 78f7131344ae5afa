/** Glue's jobs. */
import {
  BatchStopJobRunCommand,
  ConcurrentRunsExceededException,
  GetJobRunCommand,
  type GlueClient,
  OperationTimeoutException,
  paginateGetJobRuns,
  ResourceNumberLimitExceededException,
  StartJobRunCommand,
} from '@aws-sdk/client-glue';
import { EngineBusy, SluiceError } from '../errors.ts';

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

  /**
   * Stops the runs that were started with this argument, also those whose start nobody was told of. Returns their number. Throws
   * SluiceError if Glue does not stop one of them.
   */
  async stopJobs(job: string, [name, value]: readonly [string, string]): Promise<number> {
    const found: string[] = [];
    for await (const { JobRuns = [] } of paginateGetJobRuns({ client }, { JobName: job, MaxResults: 200 })) {
      for (const run of JobRuns)
        if (run.Arguments?.[name] === value && goesOn.includes(run.JobRunState ?? ''))
          found.push(run.Id ?? '');
      // The newest come first, and no run is older than a job's longest time.
      if (JobRuns.some(({ StartedOn }) => StartedOn !== undefined && +StartedOn + longestRun < Date.now()))
        break;
    }
    if (found.length === 0) return 0;
    const { Errors = [] } = await client.send(
      new BatchStopJobRunCommand({ JobName: job, JobRunIds: found.slice(0, runsPerStop) }),
    );
    // It may have ended meanwhile.
    for (const { JobRunId = '', ErrorDetail } of Errors)
      if (goesOn.includes((await this.jobRun(job, JobRunId)).state))
        throw new SluiceError(
          `the run ${JobRunId} of the Glue job ${job} was not stopped: ${ErrorDetail?.ErrorCode}: ${ErrorDetail?.ErrorMessage}`,
        );
    return found.length;
  },
});

const goesOn = ['STARTING', 'RUNNING', 'WAITING'];

/** Seven days, Glue's own limit, in milliseconds. */
const longestRun = 7 * 86_400_000;

/** Glue's limit per call. An attempt has one run, or a few if answers were lost. */
const runsPerStop = 25;

const isBusy = (error: unknown): error is Error =>
  error instanceof ConcurrentRunsExceededException ||
  error instanceof ResourceNumberLimitExceededException ||
  error instanceof OperationTimeoutException;
