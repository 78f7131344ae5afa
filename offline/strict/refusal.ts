/** AWS's rejection of a request: the name of the error, and its form in each protocol. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError } from '../apiError.ts';
import type { Model } from './model.ts';

/** Thrown for a request that AWS would reject before it does anything. */
export class Refusal extends ApiError {
  /** The name of the error in protocols other than JSON. */
  get code(): string {
    return this.name;
  }
}

/** A service's error names for requests that do not match its model. */
export interface ErrorNames {
  /** A member is missing, too long, too large, or does not match its pattern or enum. */
  readonly constraint: string;
  /** The body does not follow the protocol, or a value has another type. */
  readonly serialization: string;
}

export const errorNames: Readonly<Record<string, ErrorNames>> = {
  // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
  dynamodb: { constraint: 'ValidationException', serialization: 'SerializationException' },
  // https://docs.aws.amazon.com/glue/latest/webapi/CommonErrors.html
  glue: { constraint: 'ValidationException', serialization: 'SerializationException' },
  // https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html#API_StartQueryExecution_Errors
  athena: { constraint: 'InvalidRequestException', serialization: 'SerializationException' },
  // https://docs.aws.amazon.com/step-functions/latest/apireference/CommonErrors.html
  states: { constraint: 'ValidationException', serialization: 'SerializationException' },
  // https://docs.aws.amazon.com/eventbridge/latest/APIReference/CommonErrors.html
  events: { constraint: 'ValidationException', serialization: 'SerializationException' },
  // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
  sqs: { constraint: 'InvalidParameterValue', serialization: 'SerializationException' },
  // https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html
  lambda: { constraint: 'ValidationException', serialization: 'InvalidRequestContentException' },
  // https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html
  cloudformation: { constraint: 'ValidationError', serialization: 'MalformedQueryString' },
  // https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html#API_FilterLogEvents_Errors
  logs: { constraint: 'InvalidParameterException', serialization: 'SerializationException' },
  // https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
  iam: { constraint: 'ValidationError', serialization: 'MalformedQueryString' },
  // https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
  sts: { constraint: 'ValidationError', serialization: 'MalformedQueryString' },
  // https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html
  sns: { constraint: 'InvalidParameter', serialization: 'MalformedQueryString' },
  // https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
  s3: { constraint: 'InvalidArgument', serialization: 'MalformedXML' },
};

const namespaces: Readonly<Record<string, string>> = {
  ValidationException: 'com.amazon.coral.validate#',
  SerializationException: 'com.amazon.coral.service#',
  UnknownOperationException: 'com.amazon.coral.service#',
};

/** Writes a rejection in the form of its service. */
export function sendRefusal(
  request: IncomingMessage,
  response: ServerResponse,
  { metadata }: Model,
  service: string,
  refusal: Refusal,
): void {
  const { headers, body } = written(metadata, service, refusal);
  response.writeHead(refusal.status, { 'x-amzn-requestid': 'refused-by-the-gateway', ...headers });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function written(metadata: Model['metadata'], service: string, { code, message, details }: Refusal) {
  switch (metadata.protocol) {
    case 'rest-xml': {
      const fields = Object.entries({ Code: code, Message: message, ...details });
      const xml = fields.map(([name, value]) => `<${name}>${escapeXml(String(value))}</${name}>`).join('');
      return {
        headers: { 'content-type': 'application/xml' },
        body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error>${xml}</Error>`,
      };
    }
    case 'query':
      return {
        headers: { 'content-type': 'text/xml' },
        body: `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${escapeXml(message)}</Message></Error></ErrorResponse>`,
      };
    case 'rest-json':
      return {
        headers: { 'content-type': 'application/json', 'x-amzn-errortype': code },
        body: JSON.stringify({ Type: 'User', message, ...details }),
      };
    case 'json':
      return {
        headers: {
          'content-type': `application/x-amz-json-${metadata.jsonVersion ?? '1.1'}`,
          ...(service === 'sqs' ? { 'x-amzn-query-error': `${code};Sender` } : {}),
        },
        body: JSON.stringify({
          __type: (namespaces[code] ?? '') + code,
          message,
          Message: message,
          ...details,
        }),
      };
  }
}

/** Escapes characters that XML does not allow, too: a key may contain any character. */
const escapeXml = (text: string): string =>
  text.replace(/[&<>"]|[^\t\n\r\x20-\ud7ff\ue000-\ufffd]/gu, (c) => `&#${c.codePointAt(0)};`);
