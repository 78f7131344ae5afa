/** Serverless plugin: a deployment without usable credentials ends before anything is packaged. */
import { failureOf } from '../../src/cli/program.ts';
import { visible } from '../../src/lib/visible.ts';

interface Serverless {
  readonly processedInput: { readonly commands: readonly string[] };
  readonly classes: { readonly Error: new (message: string) => Error };
  getProvider(name: 'aws'): {
    /** Asks AWS once whose credentials these are. The framework keeps the answer. */
    getAccountInfo(): Promise<unknown>;
  };
}

export default class Credentials {
  readonly hooks: Readonly<Record<string, () => Promise<void>>>;

  constructor(serverless: Serverless) {
    const check = async () => {
      if (serverless.processedInput.commands[0] !== 'deploy') return;
      try {
        await serverless.getProvider('aws').getAccountInfo();
      } catch (error) {
        const said = error instanceof serverless.classes.Error ? error.message : failureOf(error).message;
        throw new serverless.classes.Error(
          `${visible(said)}\nA deployment needs credentials: set AWS_PROFILE, or sign in (aws configure, aws sso login). For the local AWS: npm start`,
        );
      }
    };
    this.hooks = { 'before:package:initialize': check };
  }
}
