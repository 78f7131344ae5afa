/** Serverless plugin: makes npm install native packages (DuckDB) for the machine of the functions, not for the machine that deploys. */
interface Serverless {
  readonly service: { readonly provider: { readonly stage?: string; readonly architecture?: string } };
}

export default class TargetMachine {
  readonly hooks: Readonly<Record<string, () => void>>;

  constructor(serverless: Serverless) {
    this.hooks = {
      'before:package:createDeploymentArtifacts': () => {
        const { stage, architecture } = serverless.service.provider;
        // Local functions run on this machine.
        if (stage === 'local') return;
        Object.assign(process.env, {
          npm_config_os: 'linux',
          npm_config_libc: 'glibc',
          npm_config_cpu: architecture === 'arm64' ? 'arm64' : 'x64',
        });
      },
    };
  }
}
