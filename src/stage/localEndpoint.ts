/** Settings of clients of a local AWS. */

/** The credentials and region that every part of the local AWS uses. */
export const localEnvironment = {
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test', // pragma: allowlist secret
  AWS_REGION: 'us-east-1',
  AWS_DEFAULT_REGION: 'us-east-1',
} as const;

/** A line for a shell, that points the AWS tools at an endpoint on this machine. */
export const exportLine = (endpoint: string): string =>
  `export AWS_ENDPOINT_URL=${endpoint} AWS_ACCESS_KEY_ID=${localEnvironment.AWS_ACCESS_KEY_ID} AWS_SECRET_ACCESS_KEY=${localEnvironment.AWS_SECRET_ACCESS_KEY} AWS_REGION=${localEnvironment.AWS_REGION}`;

/** Settings of an SDK client against an endpoint on this machine. */
export const localClient = (endpoint: string) => ({
  endpoint,
  region: localEnvironment.AWS_REGION,
  credentials: {
    accessKeyId: localEnvironment.AWS_ACCESS_KEY_ID,
    secretAccessKey: localEnvironment.AWS_SECRET_ACCESS_KEY,
  },
});
