/** Lines of text that are neither JSON nor CSV: by a pattern with named groups, by a known log, or by the positions of fields. */
import * as z from 'zod';
import { encodings } from './encodings.ts';
import { isPattern } from './parts.ts';

/** A name of a group, as RE2 and JavaScript write it. */
const groupName = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;

const word = (name: string) => `(?<${name}>\\S+)`;
const quotedText = (name: string) => `"(?<${name}>(?:[^"\\\\]|\\\\.)*)"`;
/** The first line of an HTTP request as a whole, and in its parts if it has them. */
const request = (name: string, url: string) =>
  `"(?<${name}>(?:(?<method>[A-Z]+) (?<${url}>[^" ]+(?: [^" ]+)*?) (?<protocol>[A-Z]+/[0-9.]+))|(?:[^"\\\\]|\\\\.)*)"`;
const words = (names: string) => names.split(' ').map(word);

interface Log {
  readonly pattern: string;
  readonly comment?: string;
}

/** Lines of known logs. A newer version of a log may have more fields at the end of its lines. */
const logs = {
  // https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html
  s3_access: {
    pattern: `${[
      ...words('bucket_owner bucket'),
      '\\[(?<time>[^\\]]+)\\]',
      ...words('remote_ip requester request_id operation key'),
      `(?:${request('request', 'url')}|-)`,
      ...words('status error_code bytes_sent object_size total_ms turn_around_ms'),
      `(?:${quotedText('referrer')}|-)`,
      `(?:${quotedText('user_agent')}|-)`,
    ].join(
      ' ',
    )}(?: ${words('version_id host_id signature cipher_suite auth_type host tls_version access_point_arn acl_required').join('(?: ')}${')?'.repeat(9)}(?: .*)?`,
  },
  // https://httpd.apache.org/docs/current/logs.html: common and combined; nginx writes the same
  apache: {
    pattern: `${words('host ident user').join(' ')} \\[(?<time>[^\\]]+)\\] ${request('request', 'path')} ${words('status bytes').join(' ')}(?: ${quotedText('referrer')} ${quotedText('user_agent')})?`,
  },
  // https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html
  alb: {
    pattern: `${[
      ...words('type time elb'),
      '(?:(?<client_ip>\\S+):(?<client_port>\\d+)|-)',
      '(?:(?<target_ip>\\S+):(?<target_port>\\d+)|-)',
      ...words('request_s target_s response_s elb_status target_status received_bytes sent_bytes'),
      request('request', 'url'),
      quotedText('user_agent'),
      ...words('ssl_cipher ssl_protocol'),
    ].join(' ')}(?: ${[
      word('target_group_arn'),
      quotedText('trace_id'),
      quotedText('domain_name'),
      quotedText('certificate_arn'),
      ...words('rule_priority request_created'),
      quotedText('actions'),
      quotedText('redirect_url'),
      quotedText('error_reason'),
    ].join(' ')}(?: .*)?)?`,
  },
  // https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logs-reference.html
  cloudfront: {
    pattern: `(?<time>\\S+\\t\\S+)\\t${'edge_location sc_bytes client_ip method host uri_stem status referrer user_agent uri_query cookie edge_result_type request_id host_header protocol cs_bytes time_taken'
      .split(' ')
      .map((name) => `(?<${name}>[^\\t]*)`)
      .join(
        '\\t',
      )}(?:\\t${'forwarded_for ssl_protocol ssl_cipher edge_response_result_type protocol_version fle_status fle_encrypted_fields client_port time_to_first_byte edge_detailed_result_type content_type content_length range_start range_end'
      .split(' ')
      .map((name) => `(?<${name}>[^\\t]*)`)
      .join('(?:\\t')}${')?'.repeat(14)}(?:\\t.*)?`,
    comment: '#',
  },
  // https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html: version 2, which is the default
  vpc_flow: {
    pattern: words(
      'version account_id interface_id source_ip target_ip source_port target_port protocol packets bytes start_time end_time action log_status',
    ).join(' '),
    comment: 'version ',
  },
} as const satisfies Readonly<Record<string, Log>>;

export type LogName = keyof typeof logs;
export const logNames = Object.keys(logs) as [LogName, ...LogName[]];

export const textOptions = z
  .strictObject({
    pattern: z
      .string()
      .max(20_000)
      .refine((pattern) => groupsIn(pattern) !== null, {
        message:
          'is no regular expression with named groups, such as (?<id>\\d+) (?<name>.*), or has look-around, back-references or one name twice',
      })
      .optional()
      .describe('A regular expression (RE2) that a whole line matches. Its named groups are the fields.'),
    log: z.enum(logNames).optional().describe('A known log in place of a pattern.'),
    fields: z
      .array(
        z.strictObject({
          name: z
            .string()
            .min(1)
            .regex(/^[^"\\\0*]+$/, 'must be a name without quotes, backslashes and *'),
          width: z.int().min(1).max(65_536).describe('Characters.'),
          start: z
            .int()
            .min(1)
            .max(1_000_000)
            .optional()
            .describe(
              'The position of the first character, from 1; without it, where the field before ends.',
            ),
        }),
      )
      .min(1)
      .max(1000)
      .optional()
      .describe('In place of a pattern: fields at fixed positions. White space around a value is removed.'),
    nullText: z
      .string()
      .optional()
      .describe('A field that is written so has no value, as an empty one; for a log it is -.'),
    comment: z
      .string()
      .regex(/^[^\s\0\u0080-\uffff][^\r\n\0\u0080-\uffff]{0,63}$/, 'must be up to 64 characters of ASCII')
      .optional()
      .describe('How lines begin that are no records.'),
    encoding: z.enum(encodings).default('utf-8').describe('The characters of the files, as for csv.'),
    skipLines: z
      .int()
      .min(0)
      .max(1000)
      .default(0)
      .describe('Lines at the start of a file that are no records.'),
    skipFooter: z
      .int()
      .min(0)
      .max(1000)
      .default(0)
      .describe('Records at the end of a file that are none. Such files are read whole, up to 256 MiB.'),
  })
  .superRefine((value, context) => {
    const ways = [value.pattern, value.log, value.fields].filter((way) => way !== undefined);
    const issue = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    if (ways.length !== 1) issue('pattern', 'or log or fields is needed, and only one of them');
    const names = value.fields?.map(({ name }) => name) ?? [];
    if (new Set(names).size < names.length) issue('fields', 'have one name twice');
  });
export type TextOptions = z.output<typeof textOptions>;

/** A field of a line: the number of its group, or its position. */
export type TextField =
  | { readonly name: string; readonly group: number }
  | { readonly name: string; readonly start: number; readonly width: number };

export interface TextLayout {
  /** For RE2; null for fields at positions. */
  readonly pattern: string | null;
  /** The number of groups of the pattern. */
  readonly groups: number;
  readonly fields: readonly TextField[];
  readonly nullText: string;
  readonly comment: string | null;
}

/** How the lines of a text are read. */
export function textLayout({ pattern, log, fields, nullText, comment }: TextOptions): TextLayout {
  const known: Log | null = log === undefined ? null : logs[log];
  const common = {
    nullText: nullText ?? (known === null ? '' : '-'),
    comment: comment ?? known?.comment ?? null,
  };
  const written = known?.pattern ?? pattern;
  if (written === undefined) {
    let next = 1;
    const placed = (fields ?? []).map(({ name, width, start = next }) => {
      next = start + width;
      return { name, start, width };
    });
    return { pattern: null, groups: 0, fields: placed, ...common };
  }
  const { names, count } = groupsIn(written) ?? { names: [], count: 0 };
  return {
    pattern: written.replaceAll(/\(\?<(?=[A-Za-z_])/g, '(?P<'),
    groups: count,
    fields: names,
    ...common,
  };
}

/** The names of the fields. */
export const textNames = (options: TextOptions): string[] =>
  textLayout(options).fields.map(({ name }) => name);

/** The pattern of a known log for JavaScript, for a whole line. */
export const logPattern = (log: LogName): RegExp => new RegExp(`^(?:${logs[log].pattern})$`);

/** The groups with names, and the number of all groups; null if the pattern is not valid or has no name. */
function groupsIn(written: string): { names: { name: string; group: number }[]; count: number } | null {
  const names: { name: string; group: number }[] = [];
  let count = 0;
  // A character class, an escape, or the start of a group.
  const plain = written.replaceAll(
    /\\[\s\S]|\[\^?\]?(?:\\[\s\S]|[^\]\\])*\]|\((?:\?P?<([A-Za-z_]\w*)>|(\?))?/g,
    (found, name: string | undefined, other: string | undefined) => {
      if (!found.startsWith('(') || other !== undefined) return found;
      count++;
      if (name === undefined) return found;
      names.push({ name, group: count });
      return '(';
    },
  );
  const isValid =
    isPattern(plain) &&
    names.length > 0 &&
    names.every(({ name }) => groupName.test(name)) &&
    new Set(names.map(({ name }) => name)).size === names.length;
  return isValid ? { names, count } : null;
}
