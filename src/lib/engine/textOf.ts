/** The text of a file of bytes, which may have another encoding than UTF-8. */
import type { CsvBody } from '../model/layout.ts';
import { ConversionFailed } from './packedBytes.ts';

/** The text without its byte order mark, in parts. Throws ConversionFailed if the bytes are not valid in the encoding. */
export async function* textOf(
  source: AsyncIterable<Uint8Array>,
  encoding: CsvBody['encoding'],
): AsyncGenerator<string> {
  if (encoding?.table !== undefined) {
    const characters = [...encoding.table];
    for await (const bytes of source) yield Array.from(bytes, (byte) => characters[byte]).join('');
    return;
  }
  const decoder = new TextDecoder(encoding?.name ?? 'utf-8', { fatal: true });
  const decode = (bytes?: Uint8Array): string => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
    } catch (error) {
      throw new ConversionFailed('not_text', { cause: error });
    }
  };
  for await (const bytes of source) yield decode(bytes);
  yield decode();
}
