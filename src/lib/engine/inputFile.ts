/** Reads a raw file from the local disk. */
import { type FileHandle, open } from 'node:fs/promises';
import { maxRecordBytes } from '../model/plan.ts';
import { lengthOfMark, refusedSampleBytes } from './layout.ts';
import type { RangedFile } from './zip.ts';

/** The first bytes of a file, or those from a position on. */
export async function readStart(path: string, bytes: number, position = 0): Promise<Buffer> {
  const handle = await open(path);
  try {
    return await startOf(handle, bytes, position);
  } finally {
    await handle.close();
  }
}

async function startOf(handle: FileHandle, bytes: number, position = 0): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytes), 0, bytes, position);
  return buffer.subarray(0, bytesRead);
}

/** Whole lines of a file. `text` has no line end after its last line, and is valid until the next chunk is read. */
export interface Chunk {
  /** 1-based. */
  readonly firstLine: number;
  readonly lines: number;
  readonly text: Buffer;
  /** The chunk is the start of one line that is longer than a record may be. */
  readonly isTooLong: boolean;
}

const chunkBytes = 1024 * 1024;

/**
 * Splits a file at line ends into chunks of about a MiB, from an offset on and without its byte order mark. A line that is too long is
 * never in memory.
 */
export async function* chunksOf(
  path: string,
  maxLineBytes: number = maxRecordBytes,
  skipBytes = 0,
): AsyncGenerator<Chunk> {
  const handle = await open(path);
  try {
    let buffer = Buffer.allocUnsafe(Math.min(chunkBytes, maxLineBytes + 1));
    let filled = 0;
    let firstLine = 1;
    let position = Math.max(skipBytes, lengthOfMark(await startOf(handle, 3)));
    let isSkipping = false;
    for (;;) {
      if (filled > maxLineBytes) {
        yield { firstLine, lines: 1, text: buffer.subarray(0, refusedSampleBytes), isTooLong: true };
        filled = 0;
        isSkipping = true;
      }
      // The buffer grows for a longer line, up to the maximum length of a record.
      if (filled === buffer.length) {
        const grown = Buffer.allocUnsafe(Math.min(2 * buffer.length, maxLineBytes + 1));
        buffer.copy(grown);
        buffer = grown;
      }
      const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, position);
      position += bytesRead;
      filled += bytesRead;
      if (isSkipping) {
        const found = buffer.subarray(0, filled).indexOf(newline);
        if (found < 0) {
          filled = 0;
          if (bytesRead === 0) return;
          continue;
        }
        buffer.copyWithin(0, found + 1, filled);
        filled -= found + 1;
        firstLine++;
        isSkipping = false;
      }
      const end = bytesRead === 0 ? filled : buffer.subarray(0, filled).lastIndexOf(newline);
      if (end > 0 || (end === 0 && bytesRead > 0)) {
        const text = buffer.subarray(0, end);
        firstLine = yield* withoutBlankRuns(text, firstLine);
        buffer.copyWithin(0, end + 1, filled);
        filled -= end + 1;
      }
      if (bytesRead === 0) return;
    }
  } finally {
    await handle.close();
  }
}

/** The number of consecutive blank lines from which they are skipped. Fewer cost less than a new chunk. */
const blankRun = 8;

/**
 * The parts of a text between long runs of blank lines, as chunks: half a gigabyte of line ends, which fits into half a megabyte of
 * gzip, must not become half a billion rows. Returns the number of the line after the text.
 */
function* withoutBlankRuns(text: Buffer, firstLine: number): Generator<Chunk, number> {
  const lines = linesOf(text, text.length / usualLineBytes);
  if (lines !== null) {
    yield { firstLine, lines, text, isTooLong: false };
    return firstLine + lines;
  }
  let part = { start: 0, firstLine };
  let run = { start: 0, lines: 0 };
  let line = firstLine;
  let lineStart = 0;
  let isBlank = true;
  const partUntil = (end: number, lines: number): Chunk[] =>
    lines > 0
      ? [{ firstLine: part.firstLine, lines, text: text.subarray(part.start, end), isTooLong: false }]
      : [];
  for (let i = 0; i <= text.length; i++) {
    const byte = i < text.length ? text[i] : newline;
    if (byte !== newline) {
      isBlank &&= byte === space || byte === tab || byte === carriageReturn;
      continue;
    }
    if (isBlank) run = { start: run.lines === 0 ? lineStart : run.start, lines: run.lines + 1 };
    else {
      if (run.lines >= blankRun) {
        yield* partUntil(run.start - 1, line - run.lines - part.firstLine);
        part = { start: lineStart, firstLine: line };
      }
      run = { start: 0, lines: 0 };
    }
    line++;
    lineStart = i + 1;
    isBlank = true;
  }
  if (run.lines >= blankRun) yield* partUntil(run.start - 1, line - run.lines - part.firstLine);
  else yield* partUntil(text.length, line - part.firstLine);
  return line;
}

/** If lines have at least this mean length, few of them are blank, and not every byte has to be checked. */
const usualLineBytes = 16;

/** The number of lines in a text; null if there are more than `atMost`. */
function linesOf(text: Buffer, atMost: number): number | null {
  let lines = 1;
  for (let at = text.indexOf(newline); at >= 0; at = text.indexOf(newline, at + 1))
    if (++lines > atMost) return null;
  return lines;
}

/** The lines of a chunk as positions in its text. */
export function eachLine(text: Buffer, visit: (start: number, end: number) => void): void {
  let start = 0;
  while (start <= text.length) {
    const found = text.indexOf(newline, start);
    const end = found < 0 ? text.length : found;
    visit(start, end);
    start = end + 1;
  }
}

const [newline, space, tab, carriageReturn] = [0x0a, 0x20, 0x09, 0x0d];

/** A local file with random access. */
export const localFile = (path: string, size: number): RangedFile => ({
  size,
  read: (start, end) => readStart(path, end - start, start),
});
