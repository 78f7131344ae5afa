/** Serverless plugin: completes all roles of the template, whichever plugin wrote them. Nobody has to keep a list of roles. */
import * as z from 'zod';

const trustSchema = z.object({
  Statement: z.union([z.looseObject({}), z.array(z.looseObject({}))]),
});
/** A service is a text, a list, or a function of CloudFormation. */
const statementSchema = z.looseObject({ Principal: z.looseObject({ Service: z.unknown() }) });

export interface Resource {
  readonly Type: string;
  readonly Properties?: Record<string, unknown>;
}
export type Resources = Record<string, Resource>;

/**
 * Services that name the account on whose behalf they assume a role. Lambda's documentation does not mention this for
 * execution roles. https://docs.aws.amazon.com/glue/latest/dg/cross-service-confused-deputy-prevention.html,
 * https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html
 */
const namesItsAccount = /^(glue|states|events|scheduler)\./;
/** Services whose roles read or write the buckets, the ledger or the queues. */
const touchesData = /^(lambda|glue)\./;

/** Serverless makes this role for functions without their own. */
const shared = 'IamRoleLambdaExecution';

/**
 * Restricts each role to this account, and lets each role that touches data use the stage's key. Removes the shared role if
 * no function has it. Changes the resources.
 */
export function completeRoles(resources: Resources): void {
  const { [shared]: _, ...others } = resources;
  if (!JSON.stringify(others).includes(`"${shared}"`)) delete resources[shared];
  const users: string[] = [];
  for (const [name, { Type, Properties }] of Object.entries(resources)) {
    if (Type !== 'AWS::IAM::Role' || !Properties) continue;
    const trust = trustSchema.parse(Properties.AssumeRolePolicyDocument);
    const statements = [trust.Statement].flat();
    const services = statements.map((s) => JSON.stringify(statementSchema.parse(s).Principal.Service ?? ''));
    const is = (kind: RegExp) =>
      services.map((text) => [...text.matchAll(/"([^"]+)"/g)].some(([, service = '']) => kind.test(service)));
    const confined = is(namesItsAccount);
    Properties.AssumeRolePolicyDocument = {
      Version: '2012-10-17',
      Statement: statements.map((statement, i) =>
        confined[i]
          ? {
              ...statement,
              Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
            }
          : statement,
      ),
    };
    if (is(touchesData).some(Boolean)) users.push(name);
  }
  const policy = resources.EveryRole?.Properties;
  if (policy) policy.Roles = users.map((Ref) => ({ Ref }));
}

interface Serverless {
  readonly service: {
    readonly provider: { readonly compiledCloudFormationTemplate: { Resources: Resources } };
  };
}

export default class Roles {
  readonly hooks: Readonly<Record<string, () => void>>;

  constructor(serverless: Serverless) {
    this.hooks = {
      'after:aws:package:finalize:mergeCustomProviderResources': () =>
        completeRoles(serverless.service.provider.compiledCloudFormationTemplate.Resources),
    };
  }
}
