/** The stored profile of a batch's files. */
import * as z from 'zod';
import { structTypeSchema } from '../../model/hiveType.ts';
import { compressions, layouts } from '../../model/layout.ts';
import { reasonCodes } from '../../model/plan.ts';
import { rawFileSchema } from '../../model/records.ts';

const member = z.object({
  name: z.string(),
  start: z.number(),
  size: z.number(),
  unpacked: z.number(),
  crc: z.number(),
  isDeflated: z.boolean(),
});
const encoding = z.object({ name: z.string(), table: z.string().optional() }).nullable();
const conversion = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('xml'),
    record: z.array(z.string()).readonly(),
    lists: z.array(z.string()).readonly(),
    encoding,
  }),
  z.object({
    kind: z.literal('xlsx'),
    sheet: member,
    strings: member.nullable(),
    dates: z.array(z.number()).readonly(),
    times: z.array(z.number()).readonly(),
    is1904: z.boolean(),
  }),
]);

/** Written after the raw files were inspected: how each is read, and the shape of their records. */
export const profileSchema = z.object({
  files: z.array(
    rawFileSchema.extend({
      /** Approximate unpacked bytes: for a packed file, more than its size. */
      unpacked: z.number(),
      layout: z.enum(layouts),
      fault: z.enum(reasonCodes).nullable(),
      compression: z.enum(compressions).nullable(),
      /** For a file in a zip archive: each member is an entry of its own. */
      member: member.optional(),
      conversion: conversion.optional(),
      /** For Parquet: its row groups. */
      groups: z
        .array(z.object({ row: z.number(), rows: z.number(), start: z.number(), end: z.number() }))
        .optional(),
      header: z.array(z.string()).nullable(),
      /** For CSV: where the records begin. */
      body: z
        .object({
          skipBytes: z.number(),
          skipLines: z.number(),
          encoding,
          endsInCr: z.boolean(),
          hasUnnamed: z.boolean(),
        })
        .nullish(),
      /** For a rejected file: its first bytes, base64. */
      head: z.string().optional(),
    }),
  ),
  /** The type of the records; null if none could be parsed. */
  record: structTypeSchema.nullable(),
});

export type Profile = z.output<typeof profileSchema>;
