/** Shared by the decoders of packed files. */
import type { ReasonCode } from '../model/plan.ts';

/** The archive is truncated or corrupt. */
export class ArchiveBroken extends Error {}

/** The content of a file cannot become records. */
export class ConversionFailed extends Error {
  readonly fault: ReasonCode;

  constructor(fault: ReasonCode, options?: ErrorOptions) {
    super(fault, options);
    this.fault = fault;
  }
}

/** The chunks of a source, as buffers. */
async function* bytesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, undefined> {
  for await (const chunk of source) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}

/** Reads a source by lengths. */
export class PackedReader {
  readonly #chunks: AsyncGenerator<Buffer, undefined>;
  #held: Buffer = Buffer.alloc(0);
  #isEnd = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = bytesOf(source);
  }

  /** Whether the bytes that were held last are the last ones of the source. */
  get isEnd(): boolean {
    return this.#isEnd;
  }

  /** The next bytes, without consuming them: at least this many, and fewer only at the end of the source. */
  async hold(bytes: number): Promise<Buffer> {
    const parts = [this.#held];
    let size = this.#held.length;
    while (size < bytes && !this.#isEnd) {
      const { value } = await this.#chunks.next();
      if (value === undefined) this.#isEnd = true;
      else {
        parts.push(value);
        size += value.length;
      }
    }
    if (parts.length > 1) this.#held = Buffer.concat(parts);
    return this.#held;
  }

  /** Consumes this many of the held bytes. */
  drop(bytes: number): void {
    this.#held = this.#held.subarray(bytes);
  }

  /** The next bytes; fewer only at the end of the source. */
  async read(bytes: number): Promise<Buffer> {
    const next = (await this.hold(bytes)).subarray(0, bytes);
    this.drop(bytes);
    return next;
  }
}
