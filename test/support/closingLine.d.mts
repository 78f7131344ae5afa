export function lineOf(counts: { passed: number; failed: number; skipped: number }): string;
