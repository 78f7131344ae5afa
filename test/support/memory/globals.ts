/**
 * Globals that calls use. Jest looks up the name of a global in its own sandbox each time, which costs more than what most
 * calls do: imported, they are found at once.
 */
export const { isArray } = Array;
export const { byteLength } = Buffer;
export const { abs, max, min } = Math;
export const { MAX_SAFE_INTEGER, isFinite: isFiniteNumber, isInteger } = Number;
export const { assign, create, entries, getPrototypeOf, hasOwn, keys } = Object;
export const { nextTick } = process;
export const Bytes = Uint8Array;
export const Elements = Set;
export const Moment = Date;
export const Later = Promise;
