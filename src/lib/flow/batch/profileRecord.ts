/** The stored profile of a batch's files. */
import * as z from 'zod';
import type { WrittenShape } from '../../catalog/infer.ts';
import { numberHeaders } from '../../engine/headers.ts';
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

const fileSchema = rawFileSchema.extend({
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
  /** The number of a CSV's header; earlier releases wrote the header itself. */
  header: z.union([z.int(), z.array(z.string())]).nullable(),
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
});
const filesSchema = z.object({
  files: z.array(fileSchema),
  headers: z.array(z.array(z.string())).default([]),
});

export type ProfiledFile = Omit<z.output<typeof fileSchema>, 'header'> & {
  header: readonly string[] | null;
};

/** Each file with its header, which it shares with others. */
const withHeaders = <T extends z.output<typeof filesSchema>>({ files, headers, ...rest }: T) => ({
  ...rest,
  files: files.map(
    ({ header, ...file }): ProfiledFile => ({
      ...file,
      header: typeof header === 'number' ? (headers[header] ?? null) : header,
    }),
  ),
});

/** Written after the raw files were inspected: how each is read, and the shape of their records. */
export const profileSchema = filesSchema
  .extend({
    /** The type of the records; null if none could be parsed. */
    record: structTypeSchema.nullable(),
  })
  .transform(withHeaders);

export type Profile = z.output<typeof profileSchema>;

/** The document of a profile, or of a part of one: each header once. */
export function profileText({ files, ...rest }: Profile | ProfilePart): string {
  const { headers, numberOf } = numberHeaders();
  const numbered = files.map(({ header, ...file }) => ({ ...file, header: header && numberOf(header) }));
  return JSON.stringify({ ...rest, files: numbered, headers });
}

const shapeSchema: z.ZodType<WrittenShape> = z.lazy(() =>
  z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('unknown') }),
    z.object({ kind: z.literal('scalar'), name: z.string() }),
    z.object({ kind: z.literal('array'), element: shapeSchema, isMixed: z.boolean().optional() }),
    z.object({
      kind: z.literal('struct'),
      fields: z.array(z.tuple([z.string(), shapeSchema])),
      isMixed: z.boolean().optional(),
    }),
  ]),
);

/** Some files of a large batch. Each part is written as soon as it is made, so an interrupted step goes on behind the last one. */
export const partSchema = filesSchema.extend({ shape: shapeSchema }).transform(withHeaders);
export type ProfilePart = z.output<typeof partSchema>;
