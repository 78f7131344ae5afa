/** Local files as inputs of a run, and as published objects. */
import { readdir, readFile, stat, symlink } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { mergeShapes, shapeOf, toStructType } from '../lib/catalog/infer.ts';
import { folderOf, pathOfValues, valuesOfPath } from '../lib/catalog/partitionPath.ts';
import type { Contract } from '../lib/contract/schema.ts';
import { localFile, readStart } from '../lib/engine/inputFile.ts';
import { headBytes } from '../lib/engine/layout.ts';
import { looksAt } from '../lib/engine/looks.ts';
import type { PublishedObjects } from '../lib/engine/publishedKeys.ts';
import { unpackInput } from '../lib/engine/unpack.ts';
import { shapeOfContent } from '../lib/flow/batch/profile.ts';
import type { InputFile } from '../lib/model/layout.ts';
import type { Plan } from '../lib/model/plan.ts';
import type { RawTable } from '../lib/model/rawTable.ts';

/** `example`: for Parquet, a record with a value of each type. */
export type LocalInput = InputFile & { readonly example?: object | undefined };

/**
 * A local file, or the files of a zip archive. A local file has no version, so the time of its last change is used. Unpacked files are written
 * next to `link`.
 */
export async function inputsOf(contract: Contract, path: string, link: string): Promise<LocalInput[]> {
  const { size, mtime } = await stat(path);
  await symlink(resolve(path), link);
  const looks = await looksAt(contract, localFile(path, size), (look) => look);
  return Promise.all(
    looks.map(async ({ start: _start, isWhole: _isWhole, unpacked: _unpacked, example, ...look }) => ({
      ...(await unpackInput({ object: basename(path), version: mtime.toISOString(), path: link, ...look })),
      example,
    })),
  );
}

/** The type that a crawler would infer from the inputs. For lines, only the first 256 KiB are read. */
export async function tableOfInputs(
  contract: Contract,
  inputs: readonly LocalInput[],
): Promise<RawTable | null> {
  const shapes = await Promise.all(
    inputs.map(async (input) => {
      if (input.example !== undefined) return shapeOf(input.example);
      const { size } = await stat(input.path);
      const bytes = input.layout === 'document' ? size : Math.min(size, headBytes);
      return shapeOfContent(contract.source, input, await readStart(input.path, bytes), bytes < size);
    }),
  );
  const shape = mergeShapes(shapes);
  if (shape.kind !== 'struct') return null;
  return { name: 'of the inputs', record: toStructType(shape), seen: toStructType(shape, 'nested') };
}

/** A local folder as published objects. */
export const localObjects = (root: string, keys: Plan['partitionKeys']): PublishedObjects => ({
  async find(partitions) {
    const found = partitions.map(async (values) => {
      const folder = pathOfValues(
        keys.map(({ name }) => name),
        values,
      );
      const names = await readdir(join(root, folder)).catch(() => []);
      return Promise.all(
        names.map(async (name) => {
          const path = join(folder, name);
          return { path, bytes: (await stat(join(root, path))).size, values };
        }),
      );
    });
    return (await Promise.all(found)).flat();
  },
  async all() {
    const found = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
    const files = found.filter((entry) => entry.isFile() && entry.name.endsWith('.parquet'));
    const objects = await Promise.all(
      files.map(async ({ parentPath, name }) => {
        const path = relative(root, join(parentPath, name));
        return { path, bytes: (await stat(join(root, path))).size, values: valuesOfPath(folderOf(path)) };
      }),
    );
    // Readers ignore names with an underscore, too.
    return objects.filter(({ path, values }) => values.length === keys.length && !path.startsWith('_'));
  },
  async read(path, start, end) {
    const { buffer, byteOffset } = (await readFile(join(root, path))).subarray(start, end);
    return buffer.slice(byteOffset, byteOffset + end - start) as ArrayBuffer;
  },
});
