/** Serverless plugin: says before a deployment if CloudFormation would reject the stack for its size. */
import type { Resources } from './roles.ts';

/** https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html */
const limits = { resources: 500, templateBytes: 1_000_000 };

/** Why CloudFormation would reject a template; undefined if it would not. */
export function excessOf(template: { readonly Resources: Resources }): string | undefined {
  const resources = Object.keys(template.Resources).length;
  const bytes = Buffer.byteLength(JSON.stringify(template));
  const crawlers = Object.values(template.Resources).filter(
    ({ Type }) => Type === 'AWS::Glue::Crawler',
  ).length;
  const what = [
    ...(resources > limits.resources
      ? [`${resources} resources, and CloudFormation takes ${limits.resources}`]
      : []),
    ...(bytes > limits.templateBytes
      ? [`a template of ${bytes} bytes, and CloudFormation takes ${limits.templateBytes}`]
      : []),
  ];
  return what.length === 0
    ? undefined
    : `the stack has ${what.join(', and ')}. Its ${crawlers} JSON datasets have two resources each: deploy some of them as another stage`;
}

interface Serverless {
  readonly service: {
    readonly provider: { readonly compiledCloudFormationTemplate: { readonly Resources: Resources } };
  };
  readonly classes: { readonly Error: new (message: string) => Error };
}

export default class StackLimits {
  readonly hooks: Readonly<Record<string, () => void>>;

  constructor(serverless: Serverless) {
    this.hooks = {
      'before:aws:package:finalize:saveServiceState': () => {
        const excess = excessOf(serverless.service.provider.compiledCloudFormationTemplate);
        if (excess !== undefined) throw new serverless.classes.Error(excess);
      },
    };
  }
}
