/** Shared by the decoders of packed files. */

/** The archive is truncated or corrupt. */
export class ArchiveBroken extends Error {}

/** The chunks of a source, as buffers. */
export async function* bytesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, undefined> {
  for await (const chunk of source) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}

/** Reads a source by lengths. */
export class PackedReader {
  readonly #chunks: AsyncGenerator<Buffer, undefined>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = bytesOf(source);
  }

  /** The next bytes; fewer only at the end of the source. */
  async read(bytes: number): Promise<Buffer> {
    const parts = [this.#rest];
    let size = this.#rest.length;
    while (size < bytes) {
      const { value } = await this.#chunks.next();
      if (value === undefined) break;
      parts.push(value);
      size += value.length;
    }
    const all = parts.length === 1 ? this.#rest : Buffer.concat(parts);
    this.#rest = all.subarray(bytes);
    return all.subarray(0, bytes);
  }
}
