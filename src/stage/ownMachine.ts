/**
 * Which requests a server on this machine answers. Every web page that a developer opens can send requests to 127.0.0.1. With a
 * host name that points there ("DNS rebinding"), it can also read the answers.
 */
import type { IncomingHttpHeaders } from 'node:http';

/** Names that every resolver maps to this machine. In S3's virtual-host style a bucket precedes `localhost`. */
const ownName = /^(127\.0\.0\.1|\[::1\]|([a-z0-9][a-z0-9.-]*\.)?localhost)(:\d+)?$/i;

/**
 * Why a server for programs rejects a request; undefined if the request may pass. A page cannot omit the headers that are
 * checked: https://fetch.spec.whatwg.org/#forbidden-request-header
 */
export function rejectsBrowser(headers: IncomingHttpHeaders): string | undefined {
  const isBrowser =
    headers.origin !== undefined ||
    headers['sec-fetch-site'] !== undefined ||
    // Browsers of before 2023 send no Sec-Fetch-Site, and no Origin with GET.
    /^Mozilla\//i.test(headers['user-agent'] ?? '');
  return foreignName(headers) ?? (isBrowser ? 'this server answers programs, not web pages' : undefined);
}

/** The same for a server with its own page: this page may call it, and a person may open it. */
export function rejectsOtherSites(headers: IncomingHttpHeaders): string | undefined {
  const { origin, host, 'sec-fetch-site': site } = headers;
  const isOwn =
    (origin === undefined || origin === `http://${host}`) &&
    (site === undefined || site === 'same-origin' || site === 'none');
  return foreignName(headers) ?? (isOwn ? undefined : 'this server answers its own page only');
}

const foreignName = ({ host = '' }: IncomingHttpHeaders): string | undefined =>
  ownName.test(host)
    ? undefined
    : `this server is for this machine, not for the name ${JSON.stringify(host)}`;
