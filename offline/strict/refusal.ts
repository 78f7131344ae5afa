/** How AWS refuses a request: an error's name, and the shape that each protocol gives it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError } from '../apiError.ts';
import type { Model } from './model.ts';

/** Thrown where AWS would not even begin with a request. */
export class Refusal extends ApiError {
  /** Protocols other than JSON call the error's name so. */
  get code(): string {
    return this.name;
  }
}

/** The names that a service gives to the faults that its model finds. */
export interface ErrorNames {
  /** A member that is too long, too large, missing, or not of its pattern or enum. */
  readonly constraint: string;
  /** A body that is not of the protocol, or a value of another type. */
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
  // https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
  s3: { constraint: 'InvalidArgument', serialization: 'MalformedXML' },
};

const namespaces: Readonly<Record<string, string>> = {
  ValidationException: 'com.amazon.coral.validate#',
  SerializationException: 'com.amazon.coral.service#',
  UnknownOperationException: 'com.amazon.coral.service#',
};

/** Writes a refusal as its service does. */
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

/** Also what XML cannot hold: a key may have any character. */
const escapeXml = (text: string): string =>
  text.replace(/[&<>"]|[^\t\n\r\x20-\ud7ff\ue000-\ufffd]/gu, (c) => `&#${c.codePointAt(0)};`);
