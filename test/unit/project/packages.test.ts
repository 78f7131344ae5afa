/** The bundled code of a function, as serverless.yml has it built: its size is part of every cold start. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { type BuildOptions, build } from 'esbuild';
import { parse } from 'yaml';
import * as z from 'zod';
import { namesOf } from '../../../src/lib/errorNames.ts';
import * as errors from '../../../src/lib/errors.ts';

const root = resolve(import.meta.dirname, '../../..');
const options = z
  .looseObject({ custom: z.looseObject({ esbuild: z.record(z.string(), z.unknown()) }) })
  .parse(parse(readFileSync(join(root, 'serverless.yml'), 'utf8').replaceAll(/!(GetAtt|Sub|Ref) /g, '')))
  .custom.esbuild;

const bundle = async (file: string, more: BuildOptions = {}) => {
  const { watch: _, outputFileExtension: __, exclude, external, ...given } = options;
  const { outputFiles } = await build({
    ...(given as BuildOptions),
    external: z.array(z.string()).parse([external, exclude].flat()),
    entryPoints: [join(root, file)],
    platform: 'node',
    write: false,
    ...more,
  });
  return Buffer.from(outputFiles?.[0]?.contents ?? []);
};

/** Bytes of the packed code. If a limit is reached, find out what was added: esbuild --analyze. */
const limits = { dispatch: 240_000, transformEmbedded: 500_000 };

test.each(Object.entries(limits))('%s packs to at most %i bytes', async (name, limit) => {
  const code = await bundle(`src/handlers/${name}.ts`);
  // Imported as a module, it would load undici in each cold start.
  expect(code.toString()).toContain('getBuiltinModule("node:http")');
  expect(code.toString()).not.toMatch(/from ?"(node:)?https?"/);
  const size = deflateRawSync(code, { level: 9 }).length;
  expect(size).toBeGreaterThan(100_000);
  expect(size).toBeLessThanOrEqual(limit);
});

/** A module's exports after bundling. */
const bundled = async (file: string): Promise<object> => {
  const code = await bundle(file, { banner: {} });
  return { ...(await import(`data:text/javascript;base64,${code.toString('base64')}`)) };
};

test('the errors of an outcome have their names in a bundle, too: the ledger holds files by them', async () => {
  const { namesOf: given } = await bundled('src/lib/errorNames.ts').then((exports) =>
    z.object({ namesOf: z.instanceof(Function) }).parse(exports),
  );
  expect(given('hold')).toEqual(namesOf('hold'));
  expect(namesOf('hold')).toContain('ExpectationFailed');
});

test('an error has its name in a bundle, too: Retry and Catch match on it', async () => {
  const classes = z.record(z.string(), z.instanceof(Function)).parse(await bundled('src/lib/errors.ts'));
  expect(Object.keys(classes).sort()).toEqual(Object.keys(errors).sort());
  for (const [name, type] of Object.entries(classes)) {
    const made: unknown = Reflect.construct(type, name === 'ContractError' ? ['x.yml', []] : ['x']);
    expect(made).toMatchObject({ name });
  }
});
