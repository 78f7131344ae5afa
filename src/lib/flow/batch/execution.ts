/** The name of the execution that is started for a lease: a repeated start is the same execution. */
export const executionName = (dataset: string, fence: number): string => `${dataset}-${fence}`;
