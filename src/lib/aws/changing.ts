/** One change of an item, written as DynamoDB's expressions. */

export interface Change {
  /** Attribute -> value. An undefined value sets nothing. */
  readonly set?: Readonly<Record<string, unknown>>;
  /** Attribute -> value, where the item does not have the attribute. */
  readonly initial?: Readonly<Record<string, unknown>>;
  /** Attribute -> what is added to its number. */
  readonly add?: Readonly<Record<string, number>>;
  readonly remove?: readonly string[];
  /** The condition. It names attributes as `#name`, and values as `:name`: those of `set` and `add`, and those of `values`. */
  readonly when?: string;
  readonly values?: Readonly<Record<string, unknown>>;
}

/**
 * The expressions of an Update. Every attribute has a placeholder, so no reserved word of DynamoDB can break one. Throws
 * TypeError for a value of the condition that has the name of another value.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
 */
export function changing({ set = {}, initial = {}, add = {}, remove = [], when, values = {} }: Change) {
  const sets = Object.entries(set).filter(([, value]) => value !== undefined);
  const initials = Object.entries(initial).filter(([name]) => set[name] === undefined);
  const adds = Object.entries(add);
  const parts = [
    [
      'SET',
      [
        ...sets.map(([name]) => `#${name} = :${name}`),
        ...initials.map(([name]) => `#${name} = if_not_exists(#${name}, :${name})`),
      ],
    ],
    ['ADD', adds.map(([name]) => `#${name} :${name}`)],
    ['REMOVE', remove.map((name) => `#${name}`)],
  ] as const;
  const changed = [...sets, ...initials, ...adds];
  const double = changed.find(([name]) => name in values);
  if (double) throw new TypeError(`the value :${double[0]} has two meanings`);
  const named = [...(when ?? '').matchAll(/#(\w+)/g)].map(([, name = '']) => name);
  const names = [...changed.map(([name]) => name), ...remove, ...named];
  const given = [...changed, ...Object.entries(values)];
  return {
    UpdateExpression: parts
      .flatMap(([verb, list]) => (list.length === 0 ? [] : [`${verb} ${list.join(', ')}`]))
      .join(' '),
    ...(when === undefined ? {} : { ConditionExpression: when }),
    ExpressionAttributeNames: Object.fromEntries(names.map((name) => [`#${name}`, name])),
    ...(given.length === 0
      ? {}
      : {
          ExpressionAttributeValues: Object.fromEntries(given.map(([name, value]) => [`:${name}`, value])),
        }),
  };
}
