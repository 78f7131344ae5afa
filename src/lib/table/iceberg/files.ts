/** Reads and writes a table's files by the addresses in its metadata. */
import type { ObjectRef, Store } from '../../aws/store.ts';
import { TableUnsupported } from '../../errors.ts';

export interface Files {
  read(path: string): Promise<Uint8Array>;
  /** Writes a new file. Names contain a random part. */
  write(path: string, content: string | Uint8Array): Promise<void>;
}

export type FileStore = Pick<Store, 'readBytes' | 'writeOnce'>;

export const filesOf = (store: FileStore): Files => ({
  read: (path) => store.readBytes(refOf(path)),
  async write(path, content) {
    // The file exists already if the SDK has sent the call twice.
    await store.writeOnce(refOf(path), content);
  },
});

/** Hadoop's clients write s3a:// and s3n://. Throws TableUnsupported for another file system. */
export function refOf(path: string): ObjectRef {
  const [, bucket, key] = /^s3[an]?:\/\/([^/]+)\/(.+)$/s.exec(path) ?? [];
  if (bucket === undefined || key === undefined)
    throw new TableUnsupported(`the table names the file ${path}, which is not in S3`);
  return { bucket, key };
}
